"""Several lcores: processors beside the first one are started, and each serves queues of its own."""

import re

import pytest

from ringzero import ARCH, BUILD, MACHINES, Nic
from test_multiqueue import FLOWS, GUEST_IP, OUR_IP, ROUNDS, echo_flows, stats_of_queues


@pytest.fixture
def serve(start, netns):
    """serve(cpus, queues, words) makes a guest with so many processors on a tap with so many queues."""
    def make(cpus, queues, words="", props="", **kwargs):
        netns.add_tap("tap0", f"{OUR_IP}/24", several=True)
        nic = Nic(f"mq=on,vectors={2 * queues + 2},{props}", backend="tap", ifname="tap0", queues=queues)
        guest = start(nics=[nic], netns=netns, extra=["-smp", str(cpus)], pcap=False,
                      options=f"net.ip={GUEST_IP}/24 net.rxq={queues} {words}", **kwargs)
        guest.wait_ready()
        return guest
    return make


def lcores(guest):
    """The processors, in the order of the lcores on them."""
    found = (re.search(r"lcore: lcore (\d+) on processor (\d+)", line) for line in guest.read())
    return [int(m[2]) for m in found if m]


@pytest.mark.parametrize("cpus", [2, 4])
def test_every_lcore_serves_its_queues(serve, netns, cpus):
    guest = serve(cpus, 4)
    assert lcores(guest) == list(range(cpus))
    echo_flows(netns)
    last = stats_of_queues(guest, FLOWS * ROUNDS)
    assert sorted(last) == [0, 1, 2, 3]
    for s in last.values():
        assert s["rx_packets"] >= ROUNDS, last
        assert -5 <= s["rx_packets"] - s["tx_packets"] <= 20
        assert s["rx_errors"] == s["tx_errors"] == s["tx_dropped"] == 0
    guest.type("poweroff")
    assert guest.wait_exit() == 0
