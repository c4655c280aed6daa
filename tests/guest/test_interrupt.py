"""net.mode=interrupt and adaptive: the guest sleeps until an interrupt, and is there when it is needed."""

import os
import re
import time

import pytest
from frames import exchange
from ringzero import ARCH, MACHINES, STATIC, Nic, wait_until

IDLE_SECONDS = 3
IDLE_LIMIT = 0.10  # of a processor; measured: 0.01. A guest that polls takes all of one

# properties of the card: how its interrupts come
VECTORS = {
    "msix": "",
    "one_for_each": "vectors=4",
    "two": "vectors=2",  # as many as the first pair wants
    "one": "vectors=1",  # for all
    "intx": "vectors=0",
}
RINGS = {
    "split": "",
    "split_flags": "event_idx=off",
    "packed": "packed=on",
    "packed_flags": "packed=on,event_idx=off",
}


def used_seconds(guest):
    """Processor time of QEMU, all its threads."""
    stat = open(f"/proc/{guest.process.pid}/stat").read().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(guest, seconds=IDLE_SECONDS):
    before, at = used_seconds(guest), time.monotonic()
    time.sleep(seconds)
    return (used_seconds(guest) - before) / (time.monotonic() - at)


def one_by_one(peer, count):
    """Each finds it asleep."""
    for n in range(count):
        time.sleep(0.005)
        assert peer.echo(b"wake up", sport=45000 + n, limit=5), f"datagram {n} is stuck"


@pytest.mark.parametrize("mode", ["interrupt", "adaptive"])
@pytest.mark.parametrize("vectors", VECTORS)
@pytest.mark.parametrize("ring", RINGS)
def test_wakes_up(serve, ring, vectors, mode):
    guest = serve(",".join(p for p in (RINGS[ring], VECTORS[vectors]) if p),
                  options=f"{STATIC} net.mode={mode}")
    exchange(guest.peer(), 200)
    one_by_one(guest.peer(), 50)
    assert idle_share(guest) < IDLE_LIMIT
    stats = guest.fresh_stats()
    assert stats["interrupts"] >= 50
    assert stats["rx_packets"] >= 250
