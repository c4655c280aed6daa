"""net.mode=interrupt and adaptive: the process sleeps until one of its backends' events, and is there
when it is needed."""

import os
import random
import re
import signal
import time

import pytest
from hosted import HOSTED, LIMIT, SWITCH, TapPeer, Testpmd, exchange, need_dpdk
from ringzero import STATIC, wait_until
from test_paths import ROW_NAMES, ROWS, row_options
from test_queues import stats_of_queues

IDLE_SECONDS = 3
IDLE_LIMIT = 0.03  # of a processor, whatever else the machine does; one that polls takes 1
TICK = 0.1        # seconds: a sleeper looks around so often anyway
MAC = "02:00:00:00:00:01"


def used_seconds(process):
    """Processor time of a process, all its threads."""
    with open(f"/proc/{process.process.pid}/stat", encoding="ascii") as f:
        stat = f.read().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(process, seconds=IDLE_SECONDS):
    before, at = used_seconds(process), time.monotonic()
    time.sleep(seconds)
    return (used_seconds(process) - before) / (time.monotonic() - at)


def serve(start, switch, options):
    process = start(f"net0.path={switch.sockets[0]} net0.mac={MAC} {STATIC} {options}", program=HOSTED)
    process.wait_ready()
    switch.peer.guest_mac = MAC
    return process


def one_by_one(ask, count=50):
    """Each finds it asleep. A timer would wake it after half a TICK on average, and a quarter of the
    packets after a quarter of one; a busy machine may delay some, but not that many."""
    took = []
    for n in range(count):
        time.sleep(random.uniform(0, 0.004))
        at = time.monotonic()
        assert ask(n), f"packet {n} is stuck"
        took.append(time.monotonic() - at)
    assert sorted(took)[count // 4] < TICK / 10, "a timer wakes it, and no event"


def soak(*values):
    return pytest.param(*values, marks=pytest.mark.soak)


EVERY_DAY = ("Packed virtqueue in-order non-mergeable path", "adaptive")


@pytest.mark.parametrize("row,mode", [
    (row, mode) if (name, mode) == EVERY_DAY else soak(row, mode)
    for name, row in zip(ROW_NAMES, ROWS) for mode in ("interrupt", "adaptive")])
def test_every_path_sleeps_and_answers(start, switch, row, mode):
    s = switch(program=SWITCH)
    process = serve(start, s, f"{row_options(row)} net.mode={mode}")
    exchange(s.peer, 300)
    one_by_one(lambda n: s.peer.echo(b"wake up", sport=45000 + n, limit=LIMIT))
    assert process.fresh_stats()["interrupts"] >= 25
    assert idle_share(process) < IDLE_LIMIT
    process.close()
    assert s.end() == 0, s.log.read_text()


def test_l3fwd_power_says_when_it_sleeps_and_hears_of_all_that_happens(start, switch):
    s = switch(program=SWITCH)
    process = serve(start, s, "app=l3fwd-power")
    assert s.peer.arp_ask()
    one_by_one(lambda n: s.peer.ping(b"wake up", seq=n))
    process.wait_text("lcore 0 sleeps until interrupt triggers")
    process.wait_text("lcore 0 is waked up from rx interrupt on port 0 queue 0")
    took = []
    for n in range(6):  # at a random moment between two ticks
        time.sleep(0.23)
        at, seen = time.monotonic(), len(process.read())
        process.type(f"hello{n}", wrong=True)
        process.wait_text(f"unknown command \"hello{n}\"", after=seen)
        took.append(time.monotonic() - at)
    assert sorted(took)[2] < TICK / 2, f"{took}: it waited for a timer"
    s.close()  # the backend dies
    process.wait_text("the backend has closed its end")
    assert idle_share(process) < IDLE_LIMIT, "while it tries to reach it again"
    assert process.end(signal.SIGTERM) == 0
    assert len(re.findall("sleeps until", "\n".join(process.lines))) < 30, "a flood"


QUEUES = 2


def test_lcores_sleep_on_their_own(start, netns, tmp_path):
    """DPDK's threads poll; it tells of what it has put into a ring that is armed."""
    need_dpdk()
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors")
    testpmd = Testpmd(tmp_path / "vhost.sock", netns, queues=QUEUES)
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} lcores=2 "
                    "net.mode=interrupt")
    try:
        process.wait_ready()
        peer = TapPeer(netns, testpmd.tap)
        peer.guest_mac = process.json_lines("port")[0]["mac"]
        wait_until(lambda: peer.echo(b"there?", limit=0.2), LIMIT, "service")
        one_by_one(lambda n: peer.echo(b"wake up", sport=46000 + n, limit=LIMIT), count=100)
        assert idle_share(process) < IDLE_LIMIT
        last = stats_of_queues(process, 100)
        assert sum(s["interrupts"] for s in last.values()) >= 50
        peer.close()
        assert process.end(signal.SIGTERM) == 0, "the other lcore is parked from its sleep"
    finally:
        testpmd.close()
