"""Open vSwitch with DPDK between two of ours, and a host at its bridge: front ends that connect and
front ends that listen, processes and a guest, and a switch that is restarted."""

import signal

import ovs as open_vswitch
import pytest
from hosted import ASAN, HOSTED, LIMIT, TapPeer, exchange, processor, wait_served
from ovs import Ovs
from ringzero import ARCH, Timeout
from test_reconnect import SERVICE_LIMIT

pytestmark = pytest.mark.xdist_group("ovs")  # one switch for all

IPS = ["10.0.2.15", "10.0.2.16"]
MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
FRAMES = 300
RINGS = {
    "split": ("net.in_order=0", "Split virtqueue mergeable path"),
    "split_plain": ("net.in_order=0 net.mrg_rxbuf=0", "Split virtqueue non-mergeable path"),
    "split_in_order": ("", "Split virtqueue in-order mergeable path"),
    "packed": ("net.packed_vq=1 net.in_order=0", "Packed virtqueue mergeable path"),
    "packed_in_order": ("net.packed_vq=1 net.mrg_rxbuf=0", "Packed virtqueue in-order non-mergeable path"),
    "packed_vec": ("net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1",
                   "Packed virtqueue vectorized Rx path"),
}


@pytest.fixture(scope="module")
def ovs(netns, tmp_path_factory):
    if open_vswitch.lacking():
        pytest.skip(f"needs {open_vswitch.lacking()}")
    made = Ovs(tmp_path_factory.mktemp("ovs"), netns, ["listens0", "listens1"], ["connects"])
    yield made
    made.close()


@pytest.fixture
def host(ovs, netns):
    made = TapPeer(netns, "br0")
    yield made
    made.close()


def two(start, ovs, options="", app="", programs=(ASAN, HOSTED)):
    """One that connects to the switch, one that listens for it."""
    processes = [start(f"net0.path={ovs.socket('connects' if n else 'listens0')} net0.server={n} "
                       f"net0.mac={MACS[n]} net.ip={IPS[n]}/24 {options} {app}", program=programs[n])
                 for n in range(2)]
    for process in processes:
        process.wait_ready()
    return processes


def serve_both(host, count=FRAMES, limit=LIMIT):
    for ip, mac in zip(IPS, MACS):
        host.guest_ip, host.guest_mac = ip, mac
        wait_served(host, limit)
        exchange(host, count)


@pytest.mark.parametrize("ring", RINGS)
def test_two_processes_and_a_host_are_on_one_switch(start, ovs, host, ring):
    options, path = RINGS[ring]
    if "vec" in ring and "avx2" not in processor():
        pytest.skip("needs a processor with avx2")
    processes = two(start, ovs, options)
    assert all(p.json_lines("port")[0]["path"] == path for p in processes)
    serve_both(host)
    for process in processes:
        assert process.end(signal.SIGTERM) == 0
        assert process.stderr_path.read_text() == ""
        stats = process.json_lines("stats")[-1]
        assert FRAMES <= stats["rx_packets"] < 1.5 * FRAMES, "who is where is learnt"
        assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0


@pytest.mark.parametrize("ring", ["split", "packed_vec"])
def test_packets_go_round_between_two_processes(start, ovs, ring):
    """Each sends back to the other what it gets: what tx_first made goes round and round."""
    first = start(f"net0.path={ovs.socket('listens0')} net0.mac={MACS[0]} app=testpmd fwd=macswap "
                  f"{RINGS[ring][0]}")
    first.wait_ready()
    for _ in range(5):
        second = start(f"net0.path={ovs.socket('listens1')} net0.mac={MACS[1]} app=testpmd fwd=macswap "
                       f"tx_first=2 fwd_retry=1 {RINGS[ring][0]}")
        try:
            second.wait_stats(lambda s: s["rx_packets"], limit=4)
            break
        except Timeout:  # they were sent before the switch had the port, or knew the other one's
            second.end(signal.SIGTERM)
    for process in (first, second):
        stats = process.wait_stats(lambda s: min(s["rx_packets"], s["tx_packets"]) > 5000)
        assert stats["rx_errors"] == stats["tx_errors"] == 0


@pytest.mark.skipif(ARCH != "x86_64", reason="needs the guest of x86_64")
@pytest.mark.parametrize("props,path", [
    ("", "Split virtqueue mergeable path"), ("packed=on", "Packed virtqueue mergeable path")],
    ids=["split", "packed"])
def test_a_guest_a_process_and_a_host_are_on_one_switch(start, ovs, host, guest, props, path):
    process = start(f"net0.path={ovs.socket('connects')} net0.server=1 net0.mac={MACS[1]} "
                    f"net.ip={IPS[1]}/24", program=ASAN)
    g = guest(ovs.socket("listens1"), props)
    assert g.json_lines("port")[0]["path"] == path
    process.wait_ready()
    serve_both(host)
    stats = g.wait_stats(lambda s: min(s["rx_packets"], s["tx_packets"]) >= FRAMES)
    assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
    g.type("poweroff")
    assert g.wait_exit() == 0


@pytest.mark.parametrize("ring", ["split", "packed"])
def test_service_goes_on_after_the_switch_was_restarted(start, ovs, netns, ring):
    processes = two(start, ovs, RINGS[ring][0])
    host = TapPeer(netns, "br0")
    serve_both(host, 100)
    host.close()
    ovs.stop_switch()
    for process in processes:
        process.wait_text(r"port 0: link down", LIMIT)
    ovs.start_switch()
    for process in processes:
        process.wait_text(r"port 0: runs again, link up", LIMIT)
    ovs.wait_tap()
    host = TapPeer(netns, "br0")
    serve_both(host, 100, SERVICE_LIMIT)
    host.close()
    for process in processes:
        assert process.stderr_path.read_text() == ""
