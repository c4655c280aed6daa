#!/usr/bin/python3
"""What a device that lies does to DPDK's virtio-user and to ours, measured; run by hand.

vhost-switch lies once, as told, in the middle of a stream of frames that the front end sends back
(testpmd, macswap); at the end it is seen what became of the process, of the stream and of the bytes.
Prints a line for each lie and front end; docs/hosted.md has them as a table. Fails when ours does not
serve at the end, and when one of the two does not without any lie.
"""

import argparse
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "guest")]

from frames import ethernet  # noqa: E402
from hosted import HOSTED, SWITCH, Hosted, Switch, Testpmd, drivers  # noqa: E402

MAC, SOURCE = "02:00:00:00:00:01", "02:00:00:00:00:99"
AFTER = 2000        # buffers before the lie
SECONDS = 6         # of frames
PACE = 0.004        # seconds between two bursts
BURST = 16
FRAME = 100
SETTLED = 0.5       # seconds at the end in which frames must come back
ANSWER = 10         # seconds for an answer of the console
SPLIT, PACKED, ORDER = "packed_vq=0,in_order=0", "packed_vq=1,in_order=0", "packed_vq=1,in_order=1"
OURS = {SPLIT: "net.packed_vq=0 net.in_order=0", PACKED: "net.packed_vq=1 net.in_order=0",
        ORDER: "net.packed_vq=1 net.in_order=1"}

# what the device does, -x RING:LIE with AFTER and the value between and behind, ring
NEVER = 1 << 31
LIES = [
    ("no lie", "0:len", NEVER, SPLIT),
    ("no lie", "0:len", NEVER, ORDER),
    ("Tx: used id 65535, ring of 256", "1:id_range", 65535, SPLIT),
    ("Tx: used id 65535, ring of 256", "1:id_range", 65535, PACKED),
    ("Tx: used id 65535, ring of 256", "1:id_range", 65535, ORDER),
    ("Tx: used id that is not outstanding", "1:id_idle", 0, SPLIT),
    ("Tx: used id that is not outstanding", "1:id_idle", 0, PACKED),
    ("Tx: used id that is not outstanding", "1:id_idle", 0, ORDER),
    ("Tx: used index ahead by 300", "1:used_jump", 300, SPLIT),
    ("Tx: a used descriptor continued at 65535", "1:desc", 65535, SPLIT),
    ("Rx: used length 65535, buffers of 2 KB", "0:len", 65535, SPLIT),
    ("Rx: used length 65535, buffers of 2 KB", "0:len", 65535, PACKED),
    ("Rx: used id 65535, ring of 256", "0:id_range", 65535, SPLIT),
    ("Rx: used id that is not outstanding", "0:id_idle", 0, SPLIT),
    ("Rx: used id that is not outstanding", "0:id_idle", 0, PACKED),
    ("Rx: num_buffers 65535", "0:num_buffers", 65535, SPLIT),
    ("Rx: num_buffers 65535", "0:num_buffers", 65535, PACKED),
    ("Rx: csum_start 65000, frame of 100 bytes", "0:csum", 65000, SPLIT),
    ("Rx: used index ahead by 300", "0:used_jump", 300, SPLIT),
    ("status: NEEDS_RESET", "0:needs_reset", 0, SPLIT),
]


class Dpdk(Testpmd):
    name = "DPDK 22.11"

    def __init__(self, folder, path, ring):
        super().__init__(folder / "dpdk", forward="macswap", args=["--rx-offloads=0xc"],  # UDP and TCP checksums
                        
                         vdev=f"net_virtio_user0,path={path},queues=1,mac={MAC},{ring}")

    def state(self):
        """None when it is well."""
        code = self.process.poll()
        if code is not None:
            return f"crashes ({signal.Signals(-code).name})" if code < 0 else f"ends ({code})"
        try:
            start = len(self.text())
            self.type("stop")
            self.wait(r"Done\.", start, ANSWER)
        except AssertionError:
            if self.process.poll() is not None:
                return self.state()
            self.kill()
            return "hangs: its core never comes back"
        return None

    def received(self):
        try:
            stats = self.stats()
        except (AssertionError, OSError):
            return None
        return stats["rx_packets"], stats["rx_bytes"]

    def says(self):
        return ""

    def close(self):
        try:
            super().close()
        except BrokenPipeError:
            pass  # it has crashed


class Ours:
    name = "ringzero"

    def __init__(self, _, path, ring):
        self.process = Hosted(f"net0.path={path} net0.mac={MAC} app=testpmd fwd=macswap "
                              f"net.rx_offloads=csum {OURS[ring]}", program=HOSTED)
        self.process.wait_ready()

    def state(self):
        code = self.process.process.poll()
        if code is None and self.process.end(signal.SIGTERM):
            return "does not end"
        return None if code is None else f"ends ({code})"

    def received(self):
        self.process.read()
        last = self.process.json_lines("stats")[-1]
        return last["rx_packets"], last["rx_bytes"]

    def says(self):
        found = [m[1] for line in self.process.read()
                 if (m := re.search(r"error: port 0: (.*?)(; port is down)?$", line))]
        last = self.process.json_lines("stats")[-1]
        counted = [f"{last[k]} {k}" for k in ("rx_errors", "tx_errors", "tx_dropped") if last[k]]
        return "; ".join(found + counted)

    def close(self):
        self.process.close()


def stream(peer, seconds):
    """Send numbered frames; the instants of those that came back whole, and what else came."""
    instants, others, sent = [], [], 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for _ in range(BURST):
            peer.send(ethernet(MAC, SOURCE, 0x88b5, struct.pack("!I", sent).ljust(FRAME - 14, b"\xa5")))
            sent += 1
        pause = time.monotonic() + PACE
        while (frame := peer.receive(pause - time.monotonic())) is not None:
            if frame[12:14] == b"\x88\xb5" and len(frame) == FRAME and \
                    frame[18:] == b"\xa5" * (FRAME - 18):
                instants.append(time.monotonic())
            elif frame[12:14] not in (b"\x08\x06", b"\x86\xdd", b"\x08\x00"):
                others.append(len(frame))
    return instants, others, end


def measure(front_end, lie, value, ring):
    with tempfile.TemporaryDirectory(prefix="ringzero-") as name:
        folder = Path(name)
        switch = Switch(folder, "-x", f"0:{lie}:{NEVER if value == NEVER else AFTER}:{value}", program=SWITCH)
        process = None
        try:
            process = front_end(folder, switch.sockets[0], ring)
            instants, others, end = stream(switch.peer, SECONDS)
            received = process.received()
            state = process.state()
            return describe(instants, others, end, received, state, process.says())
        finally:
            if process:
                process.close()
            switch.close()


def describe(instants, others, end, received, state, says):
    found = []
    gaps = [b - a for a, b in zip(instants, instants[1:])]
    if state:
        found.append(state)
    elif not instants:
        found.append("never served")
    elif instants[-1] < end - SETTLED:
        found.append("nothing comes back any more")
    else:
        found.append(f"serves, longest pause {max(gaps) * 1000:.0f} ms")
    if received and received[1] > received[0] * FRAME:
        found.append(f"took {received[1] - received[0] * FRAME} bytes more than were sent")
    if others:
        found.append(f"sent {len(others)} frames that it was never given, of up to {max(others)} bytes")
    return "; ".join(found + ([says] if says else []))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="lies whose text matches this")
    return parser.parse_args()


def main():
    only, failed = arguments().only, 0
    front_ends = [Dpdk, Ours] if drivers() else [Ours]
    for text, lie, value, ring in LIES:
        if not re.search(only, f"{text} {ring}"):
            continue
        for front_end in front_ends:
            try:
                result = measure(front_end, lie, value, ring)
            except (AssertionError, OSError, subprocess.SubprocessError) as e:
                result = f"not measured: {str(e).splitlines()[0][:200]}"
            print(f"{text} | {ring} | {front_end.name} | {result}", flush=True)
            must_serve = front_end is Ours or value == NEVER
            failed += must_serve and not result.startswith("serves")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
