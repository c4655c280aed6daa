#!/usr/bin/python3
"""Measure ringzero and print it beside others: `make bench`.

What each figure is and how it is measured: docs/performance.md. Results go to build/bench as
results.json and as pictures (SVG).
"""

import argparse
import gzip
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "guest"), str(ROOT / "bench")]

SIZES = (64, 512, 1400)
PARTS = ("size", "memory", "boot", "insn", "icount", "paths", "vhost", "queues", "wake", "rtt",
         "pps")
GAP_US = 2000            # between two datagrams that are to find the guest asleep
MODES = ("poll", "interrupt", "adaptive")
QUEUE_LENGTH = 512       # datagrams in a unix socket's queue; the kernel's default of 10 throttles
PLUGINS_SINCE = 9        # QEMU's major version with the plugin calls that tcgcount.c makes
BUSY_LIMIT = 0.25        # figures from a busier machine are marked
GUEST_MAC = "52:54:00:12:34:56"
TARGET = {               # prefix of the binutils, where QEMU's -kernel puts what is linked at 0
    "x86_64": ("", 0),
    "aarch64": ("aarch64-linux-gnu-", 0x40200000),
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build", type=Path)
    parser.add_argument("--arch", default="x86_64", choices=TARGET)
    parser.add_argument("--runs", default=5, type=int, help="medians are of so many runs (5)")
    parser.add_argument("--only", default=",".join(PARTS), help="list of: " + " ".join(PARTS))
    parser.add_argument("--profile", action="store_true",
                        help="also the functions in which the instructions are spent")
    parser.add_argument("--peer", metavar="CMD",
                        help="another guest to measure in turns with ours: a command that runs "
                             "QEMU in the foreground, {qemu} and {peer} stand for the paths of "
                             "the dgram netdev's unix sockets")
    parser.add_argument("--vhost-peer", metavar="CMD",
                        help="another guest to measure in turns with ours against DPDK's net_vhost: "
                             "a command that runs QEMU in the foreground, {socket} is where the "
                             "backend listens, {props} stands for more properties of the card")
    parser.add_argument("--realtime", action="store_true",
                        help="both sides of vhost go before all other work while they are measured "
                             "(root)")
    parser.add_argument("--peer-any-header", action="store_true",
                        help="the other guest swaps only MAC addresses")
    return parser.parse_args()


def own_namespace():
    """Go on in a network namespace of our own, where unix sockets may queue enough datagrams."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    if not os.environ.get("RINGZERO_BENCH_NAMESPACE"):
        # a container's root may not be allowed to
        if subprocess.run(["unshare", "-n", "true"], stderr=subprocess.DEVNULL,
                          check=False).returncode:
            return False
        os.environ["RINGZERO_BENCH_NAMESPACE"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, *sys.argv])
    try:
        Path("/proc/sys/net/unix/max_dgram_qlen").write_text(f"{QUEUE_LENGTH}\n")
    except OSError:
        return False
    return True


def busy(seconds=0.3):
    """Share of all processors' time that was in use just now."""
    def times():
        words = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
        values = [int(w) for w in words[:8]]
        return sum(values), values[3] + values[4]
    total, idle = times()
    time.sleep(seconds)
    total2, idle2 = times()
    return 1 - (idle2 - idle) / max(total2 - total, 1)


def median(values):
    found = [v for v in values if v is not None]
    return statistics.median(found) if found else None


def own_ms(first, stub):
    return None if first is None or stub is None else first - stub


class Bench:
    def __init__(self, args):
        os.environ["BUILD"] = str(args.build.resolve())
        os.environ["ARCH"] = args.arch
        import insn
        import ringzero
        self.args, self.insn, self.ringzero = args, insn, ringzero
        self.tools = args.build.resolve() / "tools"
        self.elf = ringzero.ELF.with_suffix(".elf")
        self.binutils, self.base = TARGET[args.arch]
        self.machines = ringzero.MACHINES
        self.busy = []

    def guest(self, machine=None, memory=64, extra=(), accel=None, words=""):
        guest = self.ringzero.Guest(
            nics=[self.ringzero.Nic(mac=GUEST_MAC)], machine=machine or self.machines[0],
            memory=memory, pcap=False, options=f"{self.ringzero.STATIC} stats=off {words}",
            extra=list(extra), accel=accel)
        guest.peer().close()  # the load generator takes its place
        return guest

    def wait_for_quiet(self, limit=10):
        """Give other work on this machine a chance to end; keep what was found."""
        deadline = time.monotonic() + limit
        share = busy()
        while share > BUSY_LIMIT and time.monotonic() < deadline:
            share = busy(1)
        self.busy.append(share)

    def load(self, folder, *arguments, limit=60):
        command = [self.tools / "loadgen", "--unix", f"{folder}/p0,{folder}/q0",
                   "--guest-mac", GUEST_MAC, *arguments]
        done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                              timeout=limit, check=False)
        if done.returncode == 2:
            raise SystemExit(f"bench: {done.stderr}")
        return json.loads(done.stdout)

    def first_ms(self, guest, limit_ms=8000):
        return self.load(guest.folder, "--first", guest.started_ns, "--time", limit_ms)["first_ms"]

    # ---- the parts ------------------------------------------------------------------------

    def size(self):
        with tempfile.TemporaryDirectory() as folder:
            stripped = Path(folder) / "ringzero.elf"
            subprocess.run([f"{self.binutils}objcopy", "--strip-all", self.elf, stripped],
                           check=True)
            data = stripped.read_bytes()
        return {"elf_bytes": len(data), "elf_gzip": len(gzip.compress(data, 9, mtime=0))}

    def memory(self):
        for mib in range(1, 33):
            with self.guest(memory=mib) as guest:
                if self.first_ms(guest, 3000) is not None:
                    return {"min_memory_mib": mib}
        return {"min_memory_mib": None}

    def stub_ms(self, machine):
        command = [self.ringzero.QEMU, "-M", machine, "-accel", self.ringzero.usual_accel(), "-cpu",
                   "max", "-m", "64", "-nodefaults", "-display", "none", "-no-reboot",
                   *self.ringzero.STATUS_OF_FAILURE,
                   "-kernel", str(self.tools / f"stub-{self.args.arch}.elf")]
        start = time.monotonic()
        subprocess.run(command, check=False, timeout=20)
        return (time.monotonic() - start) * 1e3

    def boot(self):
        result = {"first_ms": {}, "stub_ms": {}, "own_ms": {}}
        for machine in self.machines:
            first, stub = [], []
            for _ in range(self.args.runs):
                self.wait_for_quiet()
                stub.append(self.stub_ms(machine))
                with self.guest(machine) as guest:
                    first.append(self.first_ms(guest))
            result["first_ms"][machine] = median(first)
            result["stub_ms"][machine] = median(stub)
            result["own_ms"][machine] = own_ms(median(first), median(stub))
            if None in first:
                print(f"bench: {first.count(None)} of {len(first)} starts on {machine} were not "
                      "answered")
        return result

    def count(self, guest, blocks, size, window):
        """Instructions per packet, from an idle and a loaded interval."""
        def timed():
            guest.qmp("stop")  # so that all counts are of one moment
            counts = self.insn.snapshot(blocks)
            guest.qmp("cont")
            return time.monotonic(), counts
        t0, a = timed()
        time.sleep(0.5)
        t1, b = timed()
        result = self.load(guest.folder, "--size", size, "--window", window, "--warm", 0,
                           "--count", 20000)
        t2, c = timed()
        if result["lost"] or result["bad"]:
            print(f"bench: {result['lost']} lost, {result['bad']} bad while counting")
        symbols = self.insn.Symbols(self.elf, f"{self.binutils}nm", self.base)
        return self.insn.cost(self.insn.interval(a, b), t1 - t0, self.insn.interval(b, c),
                              t2 - t1, result["received"], symbols)

    def plugins_lacking(self):
        """Why this QEMU cannot count instructions, None if it can."""
        text = subprocess.run([self.ringzero.QEMU, "--version"], capture_output=True, text=True,
                              timeout=20, check=False).stdout
        version = re.search(r"version (\d+)\.(\d+)", text)
        if not version or int(version[1]) < PLUGINS_SINCE:
            return f"{text.splitlines()[0] if text else 'QEMU'}, {PLUGINS_SINCE}.0 is needed"
        return None

    def insn_part(self):
        lacking = self.plugins_lacking()
        if lacking:
            print(f"bench: instructions are not counted: {lacking}")
            return {}
        try:
            return self.count_all()
        except (AssertionError, ValueError, OSError) as e:  # QEMU ended, or without a count
            print(f"bench: instructions are not counted: {str(e).splitlines()[0]}")
            return {}

    def count_all(self):
        result = {"insn": {}, "insn_w1": {}, "insn_packet_only": {}, "functions": {}}
        with tempfile.TemporaryDirectory() as folder:
            blocks = Path(folder) / "blocks"
            plugin = f"{self.tools}/tcgcount.so,out={blocks}"
            # the plugin counts what TCG translates
            with self.guest(extra=["-plugin", plugin], accel="tcg") as guest:
                if self.first_ms(guest) is None:
                    said = guest.stderr_path.read_text(errors="replace").strip()
                    raise AssertionError(said or "the guest does not answer")
                self.load(guest.folder, "--window", 32, "--count", 2000)
                for window, key in ((32, "insn"), (1, "insn_w1")):
                    for size in SIZES:
                        cost = self.count(guest, blocks, size, window)
                        result[key][str(size)] = round(cost.per_packet)
                        if window == 32:
                            result["insn_packet_only"][str(size)] = round(cost.packet_only)
                            result["functions"][str(size)] = cost.functions[:20]
                result["idle_turn"] = round(cost.idle_turn)
                result["housekeeping"] = round(cost.housekeeping)
        return result

    def icount_part(self):
        """Instructions of each path by the guest's own clock, to the instruction."""
        import icount
        try:
            return {"icount": icount.measure()}
        except (AssertionError, OSError) as e:
            print(f"bench: instructions under -icount are not counted: {str(e).splitlines()[0]}")
            return {}

    def paths_part(self):
        """The driver's functions alone."""
        import paths
        if self.args.arch != os.uname().machine:
            print("bench: the paths are not measured: this machine's processor is another one")
            return {}
        try:
            return {"paths": paths.measure(self.tools)}
        except (OSError, subprocess.SubprocessError) as e:
            print(f"bench: the paths are not measured: {e}")
            return {}

    def vhost_part(self):
        """A guest against DPDK's net_vhost."""
        import vhost
        if self.args.arch != "x86_64":
            return {}
        try:
            return {"vhost": vhost.measure(self.ringzero, self.args.runs, self.args.vhost_peer,
                                           self.args.realtime)}
        except (AssertionError, OSError, SystemExit) as e:
            print(f"bench: net_vhost is not measured: {str(e).splitlines()[0]}")
            return {}

    def queues_part(self):
        """One queue and lcore, and two."""
        import netns
        import queues
        lacking = netns.missing()
        if lacking:
            print(f"bench: queues are not measured: needs {lacking}")
            return {}
        try:
            return {"queues": queues.measure(self.ringzero, self.tools, self.args.runs,
                                             self.wait_for_quiet)}
        except (AssertionError, OSError, subprocess.SubprocessError) as e:
            print(f"bench: queues are not measured: {str(e).splitlines()[0]}")
            return {}

    def speed(self, folder, extra=()):
        """Round trips and rates of the guest that sits at these sockets."""
        found = {}
        for size in SIZES:
            one = self.load(folder, "--size", size, "--window", 1, "--count", 10000, *extra)
            many = self.load(folder, "--size", size, "--window", 32, "--count", 40000, *extra)
            found[str(size)] = {"rtt": one["rtt_us"], "pps": many["pps"],
                                "lost": one["lost"] + many["lost"], "bad": one["bad"] + many["bad"]}
        return found

    def asleep(self, folder, extra=()):
        """Round trips of datagrams that come when nothing has come for GAP_US."""
        one = self.load(folder, "--size", 64, "--window", 1, "--gap", GAP_US, "--count", 1000,
                        *extra)
        return {"median": one["rtt_us"]["median"], "p99": one["rtt_us"]["p99"]}

    def wake_part(self):
        """The same with each way to wait; what sleeping adds is the difference to polling."""
        runs = {mode: [] for mode in MODES + (("peer",) if self.args.peer else ())}
        for _ in range(self.args.runs):
            self.wait_for_quiet()
            for mode in MODES:
                with self.guest(words=f"net.mode={mode}") as guest:
                    if self.first_ms(guest) is None:
                        print("bench: a guest does not answer: this run is left out")
                    else:
                        runs[mode].append(self.asleep(guest.folder))
            if self.args.peer:
                runs["peer"].append(self.with_peer(self.asleep))
        return {"wake_us": {mode: {key: median([r[key] for r in found])
                                   for key in ("median", "p99")}
                            for mode, found in runs.items()}}

    def peer_speed(self):
        return self.with_peer(self.speed)

    def with_peer(self, measure):
        with tempfile.TemporaryDirectory(prefix="ringzero-") as folder:
            command = self.args.peer.format(qemu=f"{folder}/q0", peer=f"{folder}/p0")
            extra = ["--any-header"] if self.args.peer_any_header else []
            process = subprocess.Popen(shlex.split(command), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                first = self.load(folder, "--first", time.time_ns(), "--time", 40000, *extra)
                if first["first_ms"] is None:
                    raise SystemExit("bench: the guest of --peer does not answer within 40 s")
                return measure(folder, extra)
            finally:
                process.kill()
                process.wait(10)

    @staticmethod
    def medians(runs):
        return {
            "rtt_us": {s: median([r[s]["rtt"] and r[s]["rtt"]["median"] for r in runs])
                       for s in runs[0]},
            "rtt_p99_us": {s: median([r[s]["rtt"] and r[s]["rtt"]["p99"] for r in runs])
                           for s in runs[0]},
            "pps": {s: median([r[s]["pps"] for r in runs]) for s in runs[0]},
            "lost": sum(r[s]["lost"] + r[s]["bad"] for r in runs for s in r),
        }

    def speed_part(self):
        ours, peers = [], []
        for _ in range(self.args.runs):
            self.wait_for_quiet()
            with self.guest() as guest:
                if self.first_ms(guest) is None:
                    print("bench: a guest does not answer: this run is left out")
                else:
                    ours.append(self.speed(guest.folder))
            if self.args.peer:
                peers.append(self.peer_speed())
        return self.medians(ours) if ours else {}, self.medians(peers) if peers else None


# ---- what is shown ---------------------------------------------------------------------------

def columns(machine):
    """title, path of keys"""
    return [
        ("ELF bytes", ("elf_bytes",)), ("gzip", ("elf_gzip",)), ("-m MiB", ("min_memory_mib",)),
        (f"first ms ({machine})", ("first_ms", machine)),
        (f"own ms ({machine})", ("own_ms", machine)),
        ("insn 64", ("insn", "64")), ("insn 512", ("insn", "512")), ("insn 1400", ("insn", "1400")),
        ("insn 64 w1", ("insn_w1", "64")), ("idle turn", ("idle_turn",)),
        ("RTT 64 us", ("rtt_us", "64")), ("p99", ("rtt_p99_us", "64")),
        ("RTT 512", ("rtt_us", "512")), ("RTT 1400", ("rtt_us", "1400")),
        ("RTT polled, 2 ms apart", ("wake_us", "poll", "median")),
        ("p99", ("wake_us", "poll", "p99")),
        ("RTT asleep", ("wake_us", "interrupt", "median")),
        ("p99", ("wake_us", "interrupt", "p99")),
        ("RTT adaptive", ("wake_us", "adaptive", "median")),
        ("p99", ("wake_us", "adaptive", "p99")),
        ("pps 64", ("pps", "64")), ("pps 512", ("pps", "512")), ("pps 1400", ("pps", "1400")),
    ]


def value(data, path):
    for key in path:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def peer_rows(peers):
    """The peers in the shape of our own results."""
    rows = {}
    for name, p in peers["peers"].items():
        own = own_ms(p.get("first_ms"), peers["stub_ms"]["pc"])
        rows[name] = {**p, "first_ms": {"pc": p.get("first_ms")}, "own_ms": {"pc": own}}
    return rows


def target_number(rows, targets, path):
    """A target is a number, or the name of the row that ours must not be behind."""
    target = value(targets, path)
    return value(rows.get(target), path) if isinstance(target, str) else target


def shown(v):
    if v is None:
        return "-"
    if isinstance(v, str):
        return f"<= {v}"
    return f"{v:,.1f}" if isinstance(v, float) and v < 1000 else f"{v:,.0f}"


def print_table(rows, targets, machine):
    from rich.console import Console
    from rich.table import Table
    # one line for each figure: the names beside each other fit a terminal
    table = Table(title="ringzero and others", title_justify="left")
    table.add_column("")
    for name in rows:
        table.add_column(name, justify="right", no_wrap=True)
    if targets:
        table.add_column("target", justify="right", style="green")
    for title, path in columns(machine):
        cells = [shown(value(r, path)) for r in rows.values()]
        table.add_row(title, *cells, *([shown(value(targets, path))] if targets else []))
    Console(width=max(100, 12 * len(rows) + 40)).print(table)


def write_pictures(folder, rows, targets, source):
    import svg
    note = f"ringzero: this run; others: {source.split(',')[0]}"
    for file, title, path in (
            ("insn-64", "Guest instructions per echoed packet, 64 B, 32 outstanding",
             ("insn", "64")),
            ("insn-1400", "Guest instructions per echoed packet, 1400 B, 32 outstanding",
             ("insn", "1400")),
            ("elf", "Stripped ELF, bytes", ("elf_bytes",)),
            ("memory", "Smallest memory that serves, MiB", ("min_memory_mib",)),
            ("boot", "QEMU's start to the first answer, without QEMU's own part, ms (pc)",
             ("own_ms", "pc")),
            ("rtt-64", "Round trip, 64 B, one outstanding, median us", ("rtt_us", "64")),
            ("pps-64", "Packets per second, 64 B, 32 outstanding", ("pps", "64"))):
        found = [(name, value(r, path), name.startswith("ringzero")) for name, r in rows.items()]
        found = sorted((f for f in found if f[1] is not None), key=lambda f: f[1])
        if any(f[2] for f in found):
            picture = svg.bars(title, note, found, target_number(rows, targets, path))
            (folder / f"{file}.svg").write_text(picture)


def print_paths(folder, rows):
    import paths
    import svg
    paths.print_table(rows)
    for name, title, key in (("paths-insn", "Instructions per packet", "insn"),
                             ("paths-cycles", "Cycles per packet", "cycles")):
        bars = [(f"{r['direction']}: {paths.short_name(r)}", r[key], r["isa"] != "scalar")
                for r in rows]
        picture = svg.bars(f"{title}, the driver's functions alone", "in colour: vector code", bars,
                           label=300)
        (folder / f"{name}.svg").write_text(picture)


def main():
    args = arguments()
    wanted = args.only.split(",")
    if set(wanted) - set(PARTS):
        raise SystemExit(f"bench: --only takes a list of: {' '.join(PARTS)}")
    roomy = own_namespace()
    bench = Bench(args)
    result = {"accel": bench.ringzero.usual_accel(), "runs": args.runs, "long_unix_queues": roomy}
    peer = None
    steps = [("size", bench.size), ("memory", bench.memory), ("boot", bench.boot),
             ("insn", bench.insn_part), ("icount", bench.icount_part), ("paths", bench.paths_part),
             ("vhost", bench.vhost_part), ("queues", bench.queues_part),
             ("wake", bench.wake_part)]
    for name, measure in steps:
        if name in wanted:
            print(f"bench: {name} ...", flush=True)
            result.update(measure())
    if "rtt" in wanted or "pps" in wanted:
        print("bench: rtt, pps ...", flush=True)
        speed, peer = bench.speed_part()
        result.update(speed)
    result["busy"] = bench.busy
    if "peer" in result.get("wake_us", {}):
        peer = {**(peer or {}), "wake_us": {"interrupt": result["wake_us"].pop("peer")}}

    # the others were measured on x86_64
    comparable = args.arch == "x86_64"
    peers = json.loads((ROOT / "bench" / "peers.json").read_text())
    targets = peers["targets"] if comparable else {}
    rows = {"ringzero": result, **({"--peer": peer} if peer else {}),
            **(peer_rows(peers) if comparable else {})}
    folder = args.build / ("bench" if comparable else f"bench-{args.arch}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps({**result, "peer": peer}, indent=1) + "\n")
    print_table(rows, targets, bench.machines[0])
    if comparable:
        write_pictures(folder, rows, targets, peers["source"])
        print(f"others: {peers['source']}")
    if "icount" in result:
        import icount
        icount.print_table(result["icount"])
    if "paths" in result:
        print_paths(folder, result["paths"])
    if "vhost" in result:
        import vhost
        vhost.print_table(result["vhost"])
    if "queues" in result:
        import queues
        queues.print_table(result["queues"])
    if args.profile and "functions" in result:
        print("instructions per 64 B packet by function:")
        for name, n in result["functions"]["64"]:
            print(f"  {n:8.1f}  {name}")
    if not roomy:
        print("note: not root, so unix sockets queue 10 datagrams: rates at 32 outstanding are low")
    if any(share > BUSY_LIMIT for share in bench.busy):
        print(f"note: the machine was busy (up to {max(bench.busy):.0%}): times are upper bounds")
    if result.get("lost"):
        print(f"note: {result['lost']} datagrams were lost or wrong")
    print(f"bench: results and pictures are in {folder}")


if __name__ == "__main__":
    main()
