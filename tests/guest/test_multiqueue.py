"""Several queue pairs on QEMU's device: a tap with as many queues, whose kernel spreads flows over them
by what comes back on which."""

import socket

import pytest

from ringzero import Nic, wait_until

OUR_IP, GUEST_IP = "10.9.0.1", "10.9.0.2"
PAIRS = 4
FLOWS = 64
ROUNDS = 10


@pytest.fixture
def serve(start, netns):
    """serve(words, props) makes a guest on a tap with PAIRS queues, and waits until it serves."""
    def make(words, props="", queues=PAIRS, mq="mq=on,vectors=10,", **kwargs):
        netns.add_tap("tap0", f"{OUR_IP}/24", several=True)
        nic = Nic(f"{mq}{props}", backend="tap", ifname="tap0", queues=queues)
        guest = start(nics=[nic], netns=netns, options=f"net.ip={GUEST_IP}/24 {words}",
                      pcap=False, **kwargs)  # QEMU dumps no more than one queue
        guest.wait_ready()
        return guest
    return make


def echo_flows(netns, flows=FLOWS, rounds=ROUNDS):
    """Each flow has a socket, and so a port, of its own; every datagram comes back."""
    sockets = [netns.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(flows)]
    try:
        for n in range(rounds):
            for k, s in enumerate(sockets):
                payload = bytes([n, k]) * (1 + 7 * k)
                s.sendto(payload, (GUEST_IP, 7))
                assert s.recv(2000) == payload
    finally:
        for s in sockets:
            s.close()


def stats_of_queues(guest, wanted):
    """The last statistics of every queue once all together have received `wanted` packets."""
    def find():
        last = {s["queue"]: s for s in guest.json_lines("stats")}
        return last if sum(s["rx_packets"] for s in last.values()) >= wanted else None
    return wait_until(find, 15, f"{wanted} packets in the statistics")


def port_of(guest):
    return guest.json_lines("port")[0]


@pytest.mark.parametrize("props", ["", "packed=on", "mrg_rxbuf=off", "disable-modern=on",
                                   "in_order=on", "packed=on,in_order=on"])
def test_flows_spread_over_the_queues_and_come_back_there(serve, netns, needs_property, props):
    if "in_order" in props:
        needs_property("in_order")
    guest = serve(f"net.rxq={PAIRS}", props)
    port = port_of(guest)
    assert (port["rxq"], port["txq"]) == (PAIRS, PAIRS)
    assert "VIRTIO_NET_F_MQ" in port["features"]
    assert port["msix"] == {"vectors": 1 + PAIRS, "config": 0, "rx": [1, 2, 3, 4]}
    echo_flows(netns)
    last = stats_of_queues(guest, FLOWS * ROUNDS)
    assert sorted(last) == list(range(PAIRS))
    assert all(s["rx_packets"] >= ROUNDS for s in last.values()), last
    # every answer left by the queue that its question came in by; ARP, both ways, and what the host
    # says of itself are the rest
    for s in last.values():
        assert -5 <= s["rx_packets"] - s["tx_packets"] <= 20
        assert s["rx_errors"] == s["tx_errors"] == s["tx_dropped"] == 0


def test_vector_paths_have_queues_too(serve, netns):
    guest = serve(f"net.rxq={PAIRS} net.vectorized=1", "mrg_rxbuf=off")
    assert port_of(guest)["isa"] != "scalar"
    echo_flows(netns)
    assert all(s["rx_packets"] for s in stats_of_queues(guest, FLOWS * ROUNDS).values())


def test_fewer_are_used_than_there_are(serve, netns):
    """The control queue is behind those that are not used."""
    guest = serve("net.txq=2")
    assert port_of(guest)["rxq"] == 2
    echo_flows(netns)
    last = stats_of_queues(guest, FLOWS * ROUNDS)
    assert sorted(last) == [0, 1] and all(s["rx_packets"] for s in last.values())


def test_more_are_wanted_than_there_are(serve, netns):
    guest = serve("net.rxq=16")
    guest.wait_text(rf"16 queue pairs are wanted, but the device has {PAIRS}; using {PAIRS}")
    assert port_of(guest)["rxq"] == PAIRS
    echo_flows(netns, flows=8, rounds=2)


def test_one_queue_without_an_option(serve, netns):
    guest = serve("")
    assert port_of(guest)["rxq"] == 1
    assert "VIRTIO_NET_F_MQ" not in port_of(guest)["features"]
    echo_flows(netns, flows=8, rounds=2)


@pytest.mark.parametrize("vectors,used", [(0, 0), (1, 1), (2, 1), (PAIRS, 1), (PAIRS + 1, PAIRS + 1),
                                          (2 * PAIRS + 2, PAIRS + 1)])
def test_vectors(serve, netns, vectors, used):
    guest = serve(f"net.rxq={PAIRS}", mq=f"mq=on,vectors={vectors},")
    assert port_of(guest)["msix"]["vectors"] == used
    echo_flows(netns, flows=16, rounds=2)


def test_a_small_machine_takes_what_it_has_memory_for(serve, netns):
    guest = serve(f"net.rxq={PAIRS}", memory=3)
    assert 1 <= port_of(guest)["rxq"] <= PAIRS
    echo_flows(netns, flows=16, rounds=2)


def test_testpmd_forwards_from_every_queue(serve, netns):
    guest = serve(f"app=testpmd fwd=macswap net.rxq={PAIRS}")
    with netns.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as s:
        s.bind(("tap0", 0))
        for n in range(PAIRS * 8):
            s.send(bytes.fromhex("525400123456 020000000001 0800") + bytes([n]) * 60)
    guest.command("show fwd stats all", rf"queue {PAIRS - 1} of port 0 to 0: ")
    assert sum(s["rx_packets"] for s in stats_of_queues(guest, PAIRS * 8).values()) >= PAIRS * 8
