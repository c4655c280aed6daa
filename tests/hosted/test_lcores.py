"""Several lcores, each with queues of its own, against DPDK's net_vhost with as many."""

import os
import re
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from hosted import LIMIT, VARIANT, TapPeer, Testpmd, need_dpdk, wait_served
from ringzero import STATIC, wait_until
from scapy.layers.l2 import Ether
from test_queues import FLOWS, QUEUES, echo_flows, peer_of, stats_of_queues
from toeplitz import NAMES, queue_of

ROUNDS = 3  # processors are fewer than there are loops here
PROCESSORS = sorted(os.sched_getaffinity(0))

pytestmark = pytest.mark.skipif(len(PROCESSORS) < 2, reason="needs two processors")


@pytest.fixture
def backend(netns, tmp_path):
    """backend(...) makes a Testpmd with QUEUES queues, at the same socket each time."""
    need_dpdk()
    made = []

    def make(**kwargs):
        made.append(Testpmd(tmp_path / "vhost.sock", netns, queues=QUEUES, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


def threads(process):
    """The processors of each thread, in the order of their start. TSan has one of its own as soon as there
    are several."""
    tasks = sorted(Path(f"/proc/{process.process.pid}/task").iterdir(), key=lambda p: int(p.name))
    if VARIANT == "tsan" and len(tasks) > 1:
        del tasks[1]
    return [re.search(r"Cpus_allowed_list:\s*(.*)", (t / "status").read_text())[1] for t in tasks]


@pytest.mark.parametrize("options", ["", "net.packed_vq=1", "net.packed_vq=1 net.mrg_rxbuf=0 "
                                     "net.vectorized=1"], ids=["split", "packed", "packed vector"])
def test_flows_are_served_by_all_lcores(start, backend, netns, options):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} {options} lcores=2")
    process.wait_ready()
    assert threads(process) == [str(cpu) for cpu in PROCESSORS[:2]]
    peer = peer_of(process, netns, testpmd)
    echo_flows(peer, rounds=ROUNDS)
    peer.close()
    last = stats_of_queues(process, FLOWS * ROUNDS)
    for stats in last.values():
        assert stats["rx_packets"] >= ROUNDS
        assert abs(stats["rx_packets"] - stats["tx_packets"]) < 20
        assert stats["busy_permille"] < 1000
    counters = process.net_stats()
    assert counters["rx_packets"] >= FLOWS * ROUNDS
    assert counters["rx_packets"] == counters["rx_delivered"] + sum(
        n for name, n in counters.items() if name.startswith("drop_"))
    process.command("show echo", r"echo: \d+ echoed")
    assert process.end(signal.SIGTERM) == 0


def test_all_lcores_go_on_after_the_backend_died(start, backend, netns, tmp_path):
    path = tmp_path / "vhost.sock"
    process = start(f"net0.path={path} net0.server=1 net0.queues={QUEUES} {STATIC} lcores=2")
    for life in range(2):
        testpmd = backend(server=False)
        if life:
            process.wait_text(r"port 0: runs again, link up", LIMIT, after=seen)
        else:
            process.wait_ready()
        peer = peer_of(process, netns, testpmd)
        echo_flows(peer, rounds=2)
        # in the middle of something
        for k in range(FLOWS):
            peer.send(peer.udp_frame(b"x", sport=50000 + k))
        seen = len(process.read())
        peer.close()
        testpmd.kill()
        process.wait_text(r"port 0: link down", LIMIT, after=seen)
    assert process.end(signal.SIGTERM) == 0


def test_testpmd_on_lcores(start, backend, netns):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} app=testpmd fwd=macswap lcores=2")
    process.wait_ready()
    peer = TapPeer(netns, testpmd.tap)
    peer.guest_mac = process.json_lines("port")[0]["mac"]

    def forwards():
        for k in range(FLOWS):
            peer.send(peer.udp_frame(b"x", sport=50000 + k))
        last = {s["queue"]: s["tx_packets"] for s in process.json_lines("stats")}
        return last and min(last.values()) >= ROUNDS
    wait_until(forwards, LIMIT, "packets from every queue", pause=0.1)
    peer.close()
    process.command("show fwd stats all", rf"queue {QUEUES - 1} of port 0 to 0")
    assert process.end(signal.SIGTERM) == 0


def received(process):
    """Packets that each queue's lcore has handled."""
    text = process.command("show fwd stats all", rf"queue {QUEUES - 1} of port 0 to 0: \d+ received.*")
    last = {int(q): int(n) for q, n in re.findall(r"queue (\d+) of port 0 to 0: (\d+) received", text)}
    return Counter(last)


def test_software_rss_gives_packets_to_the_lcore_of_their_hash(start, backend, netns):
    """Whatever queue the backend chose, and from whichever lcore: every packet, once."""
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} app=testpmd fwd=rxonly lcores=2 "
                    "net.rss=software net.rss_reta=0,1,2,3,3,1")
    process.wait_ready()
    peer = TapPeer(netns, testpmd.tap)
    peer.guest_mac = process.json_lines("port")[0]["mac"]
    frames = [peer.udp_frame(b"x" * (20 + k), sport=50000 + k) for k in range(FLOWS)]
    want = Counter(queue_of(Ether(f), NAMES["all"], [0, 1, 2, 3, 3, 1]) for f in frames)

    def round_of_flows():
        """All flows once, when nothing else comes; a backend that has just begun loses some."""
        before = received(process)
        for frame in frames:
            peer.send(frame)
        time.sleep(0.3)
        got = received(process)
        got.subtract(before)
        return +got == want
    wait_until(round_of_flows, LIMIT, f"{want}")
    peer.close()
    text = process.command("show port xstats all", rf"rx_q{QUEUES - 1}_soft_rss_nombuf: \d+")
    count = {n: sum(int(v) for v in re.findall(rf"soft_rss_{n}: (\d+)", text))
             for n in ("given", "taken", "ring_full", "nombuf")}
    assert count["given"] and count["given"] == count["taken"] + count["nombuf"]
    assert process.end(signal.SIGTERM) == 0


def test_software_rss_serves_every_flow(start, backend, netns):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} net.rss=auto lcores=2")
    process.wait_ready()
    peer = peer_of(process, netns, testpmd)
    echo_flows(peer, rounds=1)
    peer.close()
    counters = process.net_stats()
    assert counters["rx_packets"] >= FLOWS
    assert process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("options,expected", [
    ("", PROCESSORS[:QUEUES]), ("lcores=1", PROCESSORS[:1]), ("lcores=64", PROCESSORS[:QUEUES]),
    (f"lcores={PROCESSORS[1]},{PROCESSORS[0]}", [PROCESSORS[1], PROCESSORS[0]]),
    (f"lcores={PROCESSORS[1]}-{PROCESSORS[1]}", PROCESSORS[1:2])],
    ids=["all", "one", "too many", "list", "the second"])
def test_lcores_are_where_they_are_told_to_be(start, backend, netns, options, expected):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} {options}")
    process.wait_ready()
    assert threads(process) == [str(cpu) for cpu in expected]
    peer = peer_of(process, netns, testpmd)
    echo_flows(peer, rounds=1)
    peer.close()


def test_one_queue_is_one_lcore_anywhere(start, wire, peer):
    process = start(f"net0.path={wire.socket} {STATIC}")
    process.wait_ready()
    assert len(threads(process)) == 1
    peer.guest_mac = process.json_lines("port")[0]["mac"]
    wait_served(peer)


@pytest.mark.parametrize("second", [1023, 0])
def test_a_processor_that_is_not_there_or_taken(start, backend, netns, second):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} lcores=0,{second}")
    process.wait_ready()
    process.wait_text(f"lcore 1 does not start on processor {second}: there is none, or it is taken: lcores= names others")
    assert threads(process) == ["0"]
    peer = peer_of(process, netns, testpmd)
    echo_flows(peer, rounds=1)
    peer.close()
