"""Datagrams a second that a guest echoes over a tap with one queue pair, and with two that an lcore each
serves; and the cycles that each queue takes for a packet, by the guest's own statistics. The flows are the
same both times: two load generators, whose ports the tap's hash puts on different queues."""

import json
import statistics
import subprocess

SIZE = 64
COUNT = 40000       # datagrams of each generator
WINDOW = 32
PROBES = 64         # of ports, until two are found that go to different queues
FIRST_PORT = 40000
OUR_IP, GUEST_IP = "10.9.0.1", "10.9.0.2"
OUR_MAC, GUEST_MAC = "02:00:00:00:00:01", "52:54:00:12:34:56"
TAP = "tap0"


class Setup:
    """A guest that uses so many processors and queue pairs of two, on a tap in a namespace of its own."""

    def __init__(self, ringzero, tools, queues):
        import netns
        self.tools = tools
        self.netns = netns.Netns()
        self.guest = None
        try:
            self.netns.add_tap(TAP, f"{OUR_IP}/24", several=True)
            self.netns.run("ip", "link", "set", TAP, "address", OUR_MAC)
            nic = ringzero.Nic("mq=on,vectors=6", backend="tap", ifname=TAP, mac=GUEST_MAC, queues=2)
            self.guest = ringzero.Guest(nics=[nic], netns=self.netns, extra=["-smp", str(queues)], pcap=False,
                                        options=f"net.ip={GUEST_IP}/24 net.rxq={queues} lcores={queues}")
            self.guest.wait_ready()
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.guest:
            self.guest.close()
        self.netns.close()

    def start_load(self, port, count):
        command = ["ip", "netns", "exec", self.netns.name, str(self.tools / "loadgen"), "--packet", TAP,
                   "--guest-mac", GUEST_MAC, "--guest-ip", GUEST_IP, "--own-mac", OUR_MAC, "--own-ip", OUR_IP,
                   "--own-port", str(port), "--size", str(SIZE), "--window", str(WINDOW), "--count", str(count),
                   "--warm", "0"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    @staticmethod
    def result(process):
        out, err = process.communicate(timeout=120)
        if not out:
            raise AssertionError(err.strip() or "the load generator said nothing")
        return json.loads(out)

    def stats(self):
        """{queue: statistics}, of what has been until now."""
        n = len(self.guest.json_lines("stats"))
        queues = self.guest.json_lines("port")[0]["rxq"]
        self.guest._wait(lambda: len(self.guest.json_lines("stats")) >= n + 2 * queues, 10, "statistics")
        return {s["queue"]: s for s in self.guest.json_lines("stats")[-queues:]}

    def queue_of(self, port):
        before = self.stats()
        self.result(self.start_load(port, 100))
        after = self.stats()
        return max(after, key=lambda q: after[q]["rx_packets"] - before[q]["rx_packets"])


def find_ports(setup):
    """Two that the tap's hash puts on different queues."""
    first = setup.queue_of(FIRST_PORT)
    for port in range(FIRST_PORT + 1, FIRST_PORT + PROBES):
        if setup.queue_of(port) != first:
            return FIRST_PORT, port
    raise AssertionError("all flows go to one queue")


def one_run(setup, ports):
    """Datagrams a second, and what each queue's packets cost while both generators ran."""
    seen = len(setup.guest.json_lines("stats"))
    processes = [setup.start_load(port, COUNT) for port in ports]
    results = [setup.result(p) for p in processes]
    setup.stats()
    cycles = {}
    for s in setup.guest.json_lines("stats")[seen:]:
        if s["cycles_per_packet"]:
            cycles.setdefault(s["queue"], []).append(s["cycles_per_packet"])
    return sum(r["pps"] for r in results), {q: statistics.median(c) for q, c in cycles.items()}


def measure(ringzero, tools, runs, wait_for_quiet):
    """{queues: {"pps": median, "cycles": {queue: median}}}"""
    found, ports = {}, None
    for queues in (2, 1):
        print(f"bench: {queues} queue{'s' if queues > 1 else ''} ...", flush=True)
        setup = Setup(ringzero, tools, queues)
        try:
            ports = ports or find_ports(setup)
            wait_for_quiet()
            rates, cycles = zip(*(one_run(setup, ports) for _ in range(runs)))
        finally:
            setup.close()
        found[str(queues)] = {
            "pps": statistics.median(rates),
            "cycles": {q: statistics.median([c[q] for c in cycles if q in c]) for q in sorted(cycles[0])}}
    return found


def print_table(rows):
    print(f"datagrams of {SIZE} bytes a second that a guest echoes over a tap, two flows:")
    for queues, row in sorted(rows.items()):
        cycles = "  ".join(f"queue {q}: {c:,.0f}" for q, c in row["cycles"].items())
        print(f"  queues and lcores: {queues} {row['pps']:>9,.0f}   cycles per packet: {cycles}")
