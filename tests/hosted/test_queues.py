"""Several queue pairs against DPDK's net_vhost, behind which a tap with as many queues spreads flows over
them."""

import signal

import pytest
from backend import FEATURES, NET_MQ, P_MQ, PROTOCOL, Backend
from frames import payload_of
from hosted import ASAN, HOSTED, LIMIT, TapPeer, Testpmd, need_dpdk, wait_served
from ringzero import STATIC, wait_until

QUEUES = 4
FLOWS = 64
ROUNDS = 5

PATHS = {
    "split": ("net.in_order=0", "Split virtqueue mergeable path"),
    "split in-order": ("", "Split virtqueue in-order mergeable path"),
    "split vector": ("net.in_order=0 net.mrg_rxbuf=0 net.vectorized=1",
                     "Split virtqueue vectorized Rx path"),
    "packed": ("net.packed_vq=1 net.in_order=0", "Packed virtqueue mergeable path"),
    "packed in-order": ("net.packed_vq=1 net.mrg_rxbuf=0",
                        "Packed virtqueue in-order non-mergeable path"),
    "packed vector": ("net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1",
                      "Packed virtqueue vectorized Rx path"),
}


@pytest.fixture
def backend(netns, tmp_path):
    """backend(...) makes a Testpmd with QUEUES queues, at the same socket each time."""
    need_dpdk()
    made = []

    def make(queues=QUEUES, **kwargs):
        made.append(Testpmd(tmp_path / "vhost.sock", netns, queues=queues, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def backend_in_python(tmp_path):
    made = []

    def make(**kwargs):
        made.append(Backend(tmp_path / "s", **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


def peer_of(process, netns, testpmd):
    host = TapPeer(netns, testpmd.tap)
    host.guest_mac = process.json_lines("port")[0]["mac"]
    wait_served(host)
    return host


def echo_flows(peer, flows=FLOWS, rounds=ROUNDS):
    for n in range(rounds):
        for k in range(flows):
            assert peer.echo(payload_of(n * flows + k), sport=50000 + k)


def stats_of_queues(process, wanted):
    """The last statistics of every queue once all together have received `wanted` packets."""
    def find():
        last = {s["queue"]: s for s in process.json_lines("stats")}
        return last if sum(s["rx_packets"] for s in last.values()) >= wanted else None
    return wait_until(find, LIMIT, f"{wanted} packets in the statistics")


@pytest.mark.parametrize("path, program", [
    pytest.param(path, program, marks=[pytest.mark.soak] if (i + (program == ASAN)) % 2 else [])
    for i, path in enumerate(PATHS) for program in (HOSTED, ASAN)])
def test_all_queues_carry_frames_on_every_path(start, backend, netns, path, program):
    options, name = PATHS[path]
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} {STATIC} {options} lcores=1",
                    program=program)
    process.wait_ready()
    port = process.json_lines("port")[0]
    assert (port["path"], port["rxq"], port["txq"]) == (name, QUEUES, QUEUES)
    assert {"VIRTIO_NET_F_MQ", "VIRTIO_NET_F_CTRL_VQ"} <= set(port["features"])
    peer = peer_of(process, netns, testpmd)
    echo_flows(peer)
    peer.close()
    last = stats_of_queues(process, FLOWS * ROUNDS)
    assert sorted(last) == list(range(QUEUES))
    for stats in last.values():
        assert stats["rx_packets"] >= ROUNDS and stats["tx_packets"] >= ROUNDS
        assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
        # by the queue that it came in by; what is not echoed is a few frames of ARP
        assert abs(stats["rx_packets"] - stats["tx_packets"]) < 20


@pytest.mark.parametrize("server", [0, 1], ids=["client", "server"])
def test_all_queues_go_on_after_the_backend_died(start, backend, netns, tmp_path, server):
    path = tmp_path / "vhost.sock"
    first = None if server else backend()
    process = start(f"net0.path={path} net0.server={server} net0.queues={QUEUES} {STATIC} "
                    "net.packed_vq=1 lcores=1")
    first = first or backend(server=False)
    process.wait_ready()
    peer = peer_of(process, netns, first)
    echo_flows(peer, rounds=2)
    peer.close()
    first.kill()
    process.wait_text(r"port 0: link down", LIMIT)
    before = stats_of_queues(process, 2 * FLOWS)
    if not server:
        path.unlink()  # net_vhost refuses a socket that is there
    second = backend(server=not server)
    process.wait_text(r"port 0: runs again, link up", LIMIT)
    peer = peer_of(process, netns, second)
    echo_flows(peer)
    peer.close()
    after = stats_of_queues(process, (2 + ROUNDS) * FLOWS)
    assert all(after[q]["rx_packets"] >= before[q]["rx_packets"] + ROUNDS for q in range(QUEUES))
    assert process.end(signal.SIGTERM) == 0


def test_fewer_are_used_than_the_device_has(start, backend, netns):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} net.rxq=2 {STATIC}")
    process.wait_ready()
    assert process.json_lines("port")[0]["rxq"] == 2


def test_testpmd_forwards_from_every_queue(start, backend, netns):
    testpmd = backend()
    process = start(f"net0.path={testpmd.socket} net0.queues={QUEUES} app=testpmd fwd=macswap lcores=1")
    process.wait_ready()
    peer = TapPeer(netns, testpmd.tap)
    peer.guest_mac = process.json_lines("port")[0]["mac"]

    def forwards():  # the backend need not be ready yet, and what comes back is nobody's answer
        for k in range(FLOWS):
            peer.send(peer.udp_frame(b"x", sport=50000 + k))
        last = {s["queue"]: s["tx_packets"] for s in process.json_lines("stats")}
        return last and min(last.values()) >= ROUNDS
    wait_until(forwards, LIMIT, "packets from every queue", pause=0.1)
    peer.close()


@pytest.mark.parametrize("features,protocol,pairs", [
    (NET_MQ, P_MQ, QUEUES - 1), (0, P_MQ, QUEUES), (NET_MQ, 0, QUEUES)])
def test_a_backend_with_fewer_queues_is_refused(start, backend_in_python, tmp_path, features, protocol,
                                                pairs):
    backend_in_python(features=FEATURES | features, protocol=PROTOCOL | protocol, pairs=pairs)
    process = start(f"net0.path={tmp_path}/s net0.queues={QUEUES}")
    assert process.wait_exit(LIMIT) == 1
    has = pairs if features and protocol else 1
    process.wait_text(rf"/s has {has} queue pairs, and {QUEUES} are wanted: give it more")


def test_several_queues_need_a_control_queue(start, tmp_path):
    process = start(f"net0.path={tmp_path}/s net0.queues=2 net0.cq=0")
    assert process.wait_exit(LIMIT) == 1
    process.wait_text("net0.cq=0: 2 queue pairs need a control queue")


def test_a_control_queue_for_one_pair(start, wire, peer):
    process = start(f"net0.path={wire.socket} net0.cq=1 {STATIC}")
    process.wait_ready()
    port = process.json_lines("port")[0]
    assert port["rxq"] == 1 and "VIRTIO_NET_F_MQ" not in port["features"]
    peer.guest_mac = port["mac"]
    wait_served(peer)
