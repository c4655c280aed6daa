"""Frames a second that a guest sends back to DPDK's net_vhost: testpmd floods it (flowgen) on one core,
QEMU with the guest is on the other. Frames that merely go round between the two would not do: each one
that either side drops is missing from then on. With --vhost-peer another guest takes its turn in each
round."""

import os
import shlex
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import bench_dpdk

CORES = 0, 1   # of testpmd and of the guest
SECONDS = 3    # that are measured
START = 60     # seconds for a guest until frames go round
ROWS = {"split": "", "packed": ",packed=on", "packed in-order": ",packed=on,in_order=on"}
OPTIONS = "app=testpmd fwd=macswap net.ip=off stats=off"
MAC = "52:54:00:12:34:56"


class OurGuest:
    def __init__(self, ringzero, path, props):
        nic = ringzero.Nic(props.lstrip(","), backend="vhost-user", path=str(path), mac=MAC)
        self.guest = ringzero.Guest([nic], OPTIONS)
        self.process = self.guest.process

    def close(self):
        self.guest.close()


class OtherGuest:
    def __init__(self, command, path, props):
        words = shlex.split(command.format(socket=path, props=props))
        self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)

    def close(self):
        self.process.kill()
        self.process.wait(10)


def on_core(core, make, *args):
    """What is started inherits where it may run."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        return make(*args)
    finally:
        os.sched_setaffinity(0, before)


def measured(back, guest, realtime):
    threads = [bench_dpdk.polling(guest), bench_dpdk.polling(back)] if realtime else []
    bench_dpdk.prefer(threads, True)
    back.rate()
    time.sleep(SECONDS)
    found = back.rate()
    bench_dpdk.prefer(threads, False)
    return found * 1e6


def rate(back, guest, realtime):
    """Frames a second as soon as they come back."""
    deadline = time.monotonic() + START
    for line in ("set fwd flowgen", "set txpkts 64", f"set eth-peer 0 {MAC}", "start"):
        back.type(line)
    while time.monotonic() < deadline:
        back.rate()
        time.sleep(1)
        if back.rate() > 0:
            return measured(back, guest, realtime) or None
    return None


def one_run(realtime, make, *args):
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        path = Path(folder) / "vhost"
        back = bench_dpdk.Testpmd(f"net_vhost0,iface={path}", 1, *CORES, Path(folder) / "back")
        guest = None
        try:
            guest = on_core(CORES[1], make, *args[:-1], path, args[-1])
            return rate(back, guest, realtime)
        finally:
            if guest:
                guest.close()  # first: QEMU 10.0.2 may hang when its backend goes away
            back.close()


def measure(ringzero, runs, peer, realtime):
    """{row: {"ours": median, "peer": median}}"""
    found = {}
    for name, props in ROWS.items():
        lacking = {p.split("=")[0] for p in props.split(",") if p} - ringzero.device_properties()
        if lacking:
            print(f"bench: {name}: this QEMU has no {' '.join(lacking)}")
            continue
        print(f"bench: net_vhost, {name} ...", flush=True)
        rates = {"ours": [], **({"peer": []} if peer else {})}
        for _ in range(runs):
            rates["ours"].append(one_run(realtime, OurGuest, ringzero, props))
            if peer:
                rates["peer"].append(one_run(realtime, OtherGuest, peer, props))
        found[name] = {who: statistics.median(r) if all(r) else None for who, r in rates.items()}
    return found


def print_table(rows):
    print("frames of 64 bytes a second that a guest (macswap) sends back to net_vhost:")
    for name, row in rows.items():
        print(f"  {name:16}", "  ".join(f"{who} {value:,.0f}" if value else f"{who} -"
                                        for who, value in row.items()))
