"""Guests at the other side of vhost-user: QEMU passes the rings of our driver on to vhost-switch, to a
hosted process behind it, and to DPDK's net_vhost.

QEMU 10.0.2 hangs when a backend with in_order goes away first: the guests are stopped first.
"""

import pytest
from hosted import ASAN, LIMIT, TapPeer, exchange, wait_served
from ringzero import ARCH

pytestmark = pytest.mark.skipif(ARCH != "x86_64", reason="needs the guest of x86_64")

IPS = ["10.0.2.15", "10.0.2.16"]
MACS = ["02:00:00:00:00:01", "02:00:00:00:00:02"]
# name: properties of the card, path
RINGS = {
    "split": ("", "Split virtqueue mergeable path"),
    "split_in_order": ("in_order=on", "Split virtqueue in-order mergeable path"),
    "split_plain": ("mrg_rxbuf=off", "Split virtqueue non-mergeable path"),
    "packed": ("packed=on", "Packed virtqueue mergeable path"),
    "packed_in_order": ("packed=on,in_order=on", "Packed virtqueue in-order mergeable path"),
}


@pytest.mark.parametrize("ring", RINGS)
def test_a_guest_and_a_process_are_on_one_switch(start, switch, guest, ring):
    props, path = RINGS[ring]
    s = switch(ports=2)
    process = start(f"net0.path={s.sockets[1]} net0.mac={MACS[1]} net.ip={IPS[1]}/24 "
                    f"net.packed_vq={int('packed' in ring)}", program=ASAN)
    process.wait_ready()
    g = guest(s.sockets[0], props)
    assert g.json_lines("port")[0]["path"] == path
    for ip, mac in zip(IPS, MACS):
        s.peer.guest_ip, s.peer.guest_mac = ip, mac
        exchange(s.peer, 300)
    stats = g.wait_stats(lambda s: min(s["rx_packets"], s["tx_packets"]) >= 300)
    assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
    g.type("poweroff")
    assert g.wait_exit() == 0
    process.close()
    assert s.end() == 0, s.log.read_text()


@pytest.mark.parametrize("ring", ["split", "packed"])
def test_a_guest_outlives_its_neighbour_and_a_second_guest_takes_a_port(start, switch, guest, ring):
    props = RINGS[ring][0]
    s = switch(ports=2)
    first = guest(s.sockets[0], props)
    process = start(f"net0.path={s.sockets[1]} net0.mac={MACS[1]} net.ip={IPS[1]}/24", program=ASAN)
    process.wait_ready()
    s.peer.guest_mac = MACS[0]
    process.process.kill()
    exchange(s.peer, 100)
    second = guest(s.sockets[1], props, ip=IPS[1], mac=MACS[1])
    s.peer.guest_ip, s.peer.guest_mac = IPS[1], MACS[1]
    exchange(s.peer, 100)
    second.qmp("system_reset")  # the rings are taken away and come back
    second.wait_json("ready", after=1)
    wait_served(s.peer)
    exchange(s.peer, 100)
    s.peer.guest_ip, s.peer.guest_mac = IPS[0], MACS[0]
    exchange(s.peer, 100)
    for g in (first, second):
        g.close()
    assert s.end() == 0, s.log.read_text()


@pytest.mark.parametrize("ring", RINGS)
def test_a_guest_and_dpdk(backend_with_tap, netns, guest, ring):
    props, path = RINGS[ring]
    g = guest(backend_with_tap.socket, props)
    assert g.json_lines("port")[0]["path"] == path
    peer = TapPeer(netns, backend_with_tap.tap)
    peer.guest_mac = MACS[0]
    exchange(peer, 500)
    stats = g.wait_stats(lambda s: min(s["rx_packets"], s["tx_packets"]) >= 500)
    assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
    assert backend_with_tap.stats()["rx_packets"] >= 500
    peer.close()
    g.type("poweroff")
    assert g.wait_exit() == 0


def test_a_guest_comes_back_to_dpdk(backend_with_tap, netns, guest):
    """Ends without a word, by SIGKILL, and at the console; each time net_vhost takes the next one."""
    for end in (lambda g: g.close(), lambda g: (g.type("poweroff"), g.wait_exit(LIMIT))):
        g = guest(backend_with_tap.socket, "packed=on")
        peer = TapPeer(netns, backend_with_tap.tap)
        peer.guest_mac = MACS[0]
        exchange(peer, 100)
        peer.close()
        end(g)
