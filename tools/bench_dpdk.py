#!/usr/bin/python3
"""Measure the hosted build beside DPDK's virtio-user: `make bench-dpdk`.

DPDK's testpmd with a vhost-user port (net_vhost) forwards in mode mac on one core; on the other core
a front end does the same, DPDK's testpmd on virtio-user and ours in turn, and 1024 packets of 64 bytes
go round between them. Measured are the packets a second at the back end, and the cycles that the front
end spends on a packet, of bursts that were not empty. docs/performance.md says more.
"""

import argparse
import itertools
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bench"))

LIMIT = 30           # seconds for anything that one of the programs does
RING = 1024
MEMORY = 512         # MiB of each testpmd
WAITED_LIMIT = 0.02  # share of a run's time that the front end waited for its core; more is noise

# path: devargs of DPDK's virtio-user, options of ours
ROWS = [
    ("Split virtqueue mergeable path", "mrg_rxbuf=1,in_order=0", "net.in_order=0"),
    ("Split virtqueue non-mergeable path", "mrg_rxbuf=0,in_order=0",
     "net.in_order=0 net.mrg_rxbuf=0"),
    ("Split virtqueue in-order mergeable path", "mrg_rxbuf=1,in_order=1", ""),
    ("Split virtqueue in-order non-mergeable path", "mrg_rxbuf=0,in_order=1", "net.mrg_rxbuf=0"),
    ("Split virtqueue vectorized Rx path", "mrg_rxbuf=0,in_order=0,vectorized=1",
     "net.in_order=0 net.mrg_rxbuf=0 net.vectorized=1"),
    ("Packed virtqueue mergeable path", "packed_vq=1,mrg_rxbuf=1,in_order=0",
     "net.packed_vq=1 net.in_order=0"),
    ("Packed virtqueue non-mergeable path", "packed_vq=1,mrg_rxbuf=0,in_order=0",
     "net.packed_vq=1 net.in_order=0 net.mrg_rxbuf=0"),
    ("Packed virtqueue in-order mergeable path", "packed_vq=1,mrg_rxbuf=1,in_order=1",
     "net.packed_vq=1"),
    ("Packed virtqueue in-order non-mergeable path", "packed_vq=1,mrg_rxbuf=0,in_order=1",
     "net.packed_vq=1 net.mrg_rxbuf=0"),
    ("Packed virtqueue vectorized Rx path", "packed_vq=1,mrg_rxbuf=0,in_order=1,vectorized=1",
     "net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1"),
]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    parser.add_argument("--runs", default=3, type=int, help="of each front end on each path (3)")
    parser.add_argument("--seconds", default=3, type=float, help="that are measured of a run (3)")
    parser.add_argument("--rows", default="", help="only paths whose name matches this")
    parser.add_argument("--queues", default="1", help="queue pairs, one front end core for all: 1,2,4 (1)")
    parser.add_argument("--cores", default="0,1", help="of the back end and the front end (0,1)")
    parser.add_argument("--realtime", action="store_true",
                        help="both sides go before all other work while they are measured (root)")
    return parser.parse_args()


def drivers():
    found = sorted(Path("/usr/lib").glob("*/dpdk/pmds-*/librte_net_vhost.so"))
    if not found or not shutil.which("dpdk-testpmd"):
        raise SystemExit("bench: dpdk-testpmd and its drivers are missing: apt-get install dpdk")
    return found[-1].parent


def huge_pages():
    """Are there enough for both sides? All programs get them, or none."""
    text = Path("/proc/meminfo").read_text()
    free, size = (int(re.search(rf"^{k}: +(\d+)", text, re.M)[1])
                  for k in ("HugePages_Free", "Hugepagesize"))
    return free * size >= 2 * MEMORY << 10


def times(pid):
    """{thread: (seconds that it ran, seconds that it waited for its core)}"""
    return {int(t.name): tuple(int(n) / 1e9 for n in (t / "schedstat").read_text().split()[:2])
            for t in Path(f"/proc/{pid}/task").iterdir()}


def polling(process):
    """The thread that polls: the one that takes all the time there is."""
    pid = process.process.pid
    before = times(pid)
    time.sleep(0.3)
    return max((now[0] - before.get(thread, (0, 0))[0], thread)
               for thread, now in times(pid).items())[1]


def prefer(threads, on):
    for thread in threads:
        os.sched_setscheduler(thread, os.SCHED_RR if on else os.SCHED_OTHER, os.sched_param(int(on)))


class Process:
    def __init__(self, command, log):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=out,
                                            stderr=subprocess.STDOUT)

    def text(self):
        return self.log.read_text(errors="replace")

    def wait(self, pattern, after=0):
        deadline = time.monotonic() + LIMIT
        while True:
            found = re.search(pattern, self.text()[after:], re.M)
            if found:
                return found
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"bench: no {pattern} from {self.process.args[0]}:\n"
                                 f"{self.text()[-2000:]}")
            time.sleep(0.02)

    def type(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def ask(self, line, pattern):
        start = len(self.text())
        self.type(line)
        return self.wait(pattern, start)

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(LIMIT)
        self.process.stdin.close()


class Testpmd(Process):
    """In mode mac with one device; `core` forwards, `other` has the console."""

    def __init__(self, vdev, queues, core, other, log, eal=()):
        memory = (["--in-memory", "--single-file-segments"] if huge_pages() else ["--no-huge"])
        folder = drivers()
        command = ["stdbuf", "-oL", "dpdk-testpmd", "-l", f"{core},{other}", "--main-lcore", str(other), *memory,
                   "-m", str(MEMORY), "--iova-mode=va", "--no-pci",
                   f"--file-prefix=bench-{os.getpid()}-{log.name}", *eal]
        for name in ("net_vhost", "net_virtio", "mempool_ring"):
            command += ["-d", str(folder / f"librte_{name}.so")]
        command += ["--vdev", f"{vdev},queues={queues}", "--", "-i", "--nb-cores=1",
                    f"--rxq={queues}", f"--txq={queues}",
                    f"--rxd={RING}", f"--txd={RING}", "--total-num-mbufs=16384", "--no-mlockall",
                    "--forward-mode=mac"]
        super().__init__(command, log)
        self.wait("testpmd>")

    def rate(self):
        """Packets a second received since the last call, in millions."""
        return int(self.ask("show port stats 0", r"Rx-pps: +(\d+)")[1]) / 1e6


class DpdkFrontEnd(Testpmd):
    def __init__(self, path, row, queues, cores, log):
        super().__init__(f"net_virtio_user0,path={path},queue_size={RING},{row[1]}", queues,
                         cores[1], cores[0], log, ["--force-max-simd-bitwidth=512"])
        self.type("set record-core-cycles on")
        self.type("start")

    def begin(self):
        self.type("clear fwd stats all")

    def cycles(self):
        return float(self.ask("show fwd stats all", r"CPU cycles/packet=([\d.]+)")[1])

    def path(self, row):
        return row[0], ""


class OurFrontEnd(Process):
    def __init__(self, path, row, queues, cores, log, program):
        super().__init__(["taskset", "-c", str(cores[1]), str(program), f"net0.path={path}",
                          f"net0.queue_size={RING}", f"net0.queues={queues}", "app=testpmd", "fwd=mac", "stats=json",
                          *row[2].split()], log)
        self.wait('"type":"ready"')

    def lines(self, kind):
        return [j for line in self.text().splitlines()
                if line.startswith("{") and line.endswith("}")
                if (j := json.loads(line))["type"] == kind]

    def begin(self):
        self.first = len(self.lines("stats"))

    def cycles(self):
        """Of all packets in the whole seconds since begin(), as DPDK's figure."""
        lines = self.lines("stats")[self.first:]
        queues = {s["queue"] for s in lines}
        of_queue = [[s for s in lines if s["queue"] == q] for q in queues]
        seconds = [(b["rx_packets"] - a["rx_packets"], b["cycles_per_packet"])
                   for stats in of_queue for a, b in zip(stats, stats[1:])]
        return sum(n * c for n, c in seconds) / max(sum(n for n, _ in seconds), 1)

    def path(self, row):
        port = self.lines("port")[0]
        return port["path"], port["isa"]


def measured(args, back, front):
    threads = [polling(front), polling(back)]
    if args.realtime:
        prefer(threads, True)
    front.begin()
    back.rate()
    start, wait = time.monotonic(), times(front.process.pid)[threads[0]][1]
    time.sleep(args.seconds + 1)  # the first of our seconds began before
    wait = times(front.process.pid)[threads[0]][1] - wait
    result = {"waited": wait / (time.monotonic() - start), "mpps": back.rate(),
              "cycles": front.cycles()}
    if args.realtime:
        prefer(threads, False)
    return result


def one_run(args, row, queues, ours, folder):
    cores = [int(c) for c in args.cores.split(",")]
    path = folder / "vhost"
    path.unlink(missing_ok=True)
    back = Testpmd(f"net_vhost0,iface={path}", queues, cores[0], cores[1], folder / "back")
    front = None
    try:
        front = (OurFrontEnd(path, row, queues, cores, folder / "front",
                             args.build / "hosted" / "ringzero") if ours
                 else DpdkFrontEnd(path, row, queues, cores, folder / "front"))
        back.wait("new device|virtio is now ready|Port 0: link state change event")
        back.type(f"start tx_first {max(32 // int(queues), 1)}")  # bursts into each queue
        back.rate()  # is answered when all packets are out
        time.sleep(1)
        result = measured(args, back, front)
        name, isa = front.path(row)
        if name != row[0]:
            raise SystemExit(f"bench: {name} was chosen, not {row[0]}")
        return {**result, "isa": isa}
    finally:
        if front:
            front.close()
        back.close()


def measure(args):
    result = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = [row for row in ROWS if re.search(args.rows, row[0])]
        for row, queues in itertools.product(rows, args.queues.split(",")):
            print(f"bench: {row[0]}, queue pairs: {queues} ...", flush=True)
            runs = {"dpdk": [], "ours": []}
            for _ in range(args.runs):
                for who, found in runs.items():
                    found.append(one_run(args, row, queues, who == "ours", Path(folder)))
            result.append({"path": row[0], "queues": queues, "isa": runs["ours"][0]["isa"], **runs})
    return result


# ---- what is shown ---------------------------------------------------------------------------

def spread(runs, key):
    values = [r[key] for r in runs]
    return min(values), statistics.median(values), max(values)


def ratio(row, key):
    return spread(row["ours"], key)[1] / max(spread(row["dpdk"], key)[1], 1e-9)


def print_table(rows, title):
    from rich.console import Console
    from rich.table import Table
    table = Table(title=title, title_justify="left")
    for i, head in enumerate(("path", "queues", "isa", "Mpps: DPDK", "ours", "ratio", "cycles: DPDK", "ours",
                              "ratio", "noise")):
        table.add_column(head, justify="right" if i > 2 else "left", no_wrap=True)
    for row in rows:
        cells = [row["path"], row["queues"], row["isa"]]
        for key, digits in (("mpps", 2), ("cycles", 0)):
            for who in ("dpdk", "ours"):
                cells.append(" ".join(f"{v:.{digits}f}" for v in spread(row[who], key)))
            cells.append(f"{ratio(row, key):.2f}")
        worst = max(r["waited"] for who in ("dpdk", "ours") for r in row[who])
        table.add_row(*cells, f"{worst:.0%}")
    Console(width=180).print(table)


def write_pictures(folder, rows):
    import svg
    for name, title, key in (("dpdk-mpps", "Millions of packets a second at the back end", "mpps"),
                             ("dpdk-cycles", "Cycles per packet: receive, mac, send", "cycles")):
        bars = []
        for row in rows:
            short = row["path"].replace("virtqueue ", "").replace(" path", "")
            if row["queues"] != "1":
                short += f", {row['queues']} queues"
            bars += [(f"{short}, {label}", spread(row[who], key)[1], who == "ours")
                     for who, label in (("dpdk", "DPDK"), ("ours", "ringzero"))]
        note = "64-byte packets, 1024 descriptors, net_vhost on the other core; medians"
        (folder / f"{name}.svg").write_text(svg.bars(title, note, bars, label=340))


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("bench: ended"))  # and with it both front ends
    args = arguments()
    args.build = args.build.resolve()
    if os.cpu_count() < 2:
        raise SystemExit("bench: two cores are needed")
    rows = measure(args)
    pages = "huge pages" if huge_pages() else "ordinary pages"
    folder = args.build / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dpdk.json").write_text(json.dumps({"pages": pages, "rows": rows}, indent=1) + "\n")
    write_pictures(folder, rows)
    print_table(rows, f"64-byte packets round and round, mac mode, {pages}; min, median, max")
    if any(r["waited"] > WAITED_LIMIT for row in rows for who in ("dpdk", "ours") for r in row[who]):
        print("note: other work was on the cores (noise: share of the time that a front end waited "
              "for its core): cycles are too high, rates too low")
    print(f"bench: results and pictures are in {folder}")


if __name__ == "__main__":
    main()
