"""What the card is told to receive: QEMU's own account of it (query-rx-filter), frames that come and frames that
do not, and announcements that QEMU asks for."""

import time

import pytest

from frames import ethernet, is_arp, mac_bytes
from ringzero import Nic, wait_until

OTHER, GROUP, ALL = "02:00:00:00:00:99", "01:00:5e:00:00:05", "ff:ff:ff:ff:ff:ff"
MODES = ["promisc", "allmulti", "alluni", "nomulti", "nouni", "nobcast"]


def rx_filter(guest):
    """QEMU's view of card 0."""
    return guest.qmp("query-rx-filter")[0]


def received(guest):
    return guest.net_stats()["rx_packets"]


def comes(guest, dst, tag=b""):
    """Does a frame to this address get through to the stack?"""
    assert guest.peer().ping()  # with questions by ARP, the first time
    before = received(guest)
    frame = ethernet(dst, guest.peer().mac, 0x88b5, bytes(50))
    guest.peer().send(frame[:12] + tag + frame[12:])
    assert guest.peer().ping()  # what was sent before has been decided on
    return received(guest) - before == 2


def done(guest, line):
    assert "done" in guest.command(line, r"^port 0: .*: done")


@pytest.mark.parametrize("props", ["", "packed=on", "mrg_rxbuf=off,disable-modern=on,disable-legacy=off"])
def test_what_is_for_others_stays_outside(serve, needs_property, props):
    if "packed" in props:
        needs_property("packed")
    guest = serve(props)
    assert not rx_filter(guest)["promiscuous"]
    assert rx_filter(guest)["main-mac"] == guest.nics[0].mac
    assert not comes(guest, OTHER) and not comes(guest, GROUP)
    assert comes(guest, guest.nics[0].mac) and comes(guest, ALL)


def test_each_mode(serve):
    guest = serve()
    # what QEMU says of broadcasts is the contrary of what it does (broadcast-allowed)
    want = {"promisc": ("promiscuous", True), "allmulti": ("multicast", "all"), "alluni": ("unicast", "all"),
            "nomulti": ("multicast", "none"), "nouni": ("unicast", "none")}
    for mode in MODES:
        done(guest, f"set {mode} all on")
        if mode in want:
            key, value = want[mode]
            assert rx_filter(guest)[key] == value, mode
        if mode == "promisc":
            assert comes(guest, OTHER) and comes(guest, GROUP)
        if mode == "allmulti":
            assert comes(guest, GROUP) and not comes(guest, OTHER)
        if mode == "alluni":
            assert comes(guest, OTHER) and not comes(guest, GROUP)
        if mode == "nobcast":
            assert not comes(guest, ALL)
        done(guest, f"set {mode} 0 off")
    assert "promisc off allmulti off" in guest.command("show port rxmode all", r"^port 0: promisc")
    assert not comes(guest, OTHER)


def test_options(start):
    guest = start(nics=[Nic()], options="net.ip=10.0.2.15/24 net.promisc=1 net.allmulti=1")
    guest.wait_ready()
    state = rx_filter(guest)
    assert state["promiscuous"] and state["multicast"] == "all"
    assert comes(guest, OTHER)


def test_testpmd_is_promiscuous_as_dpdks(start):
    for words, promiscuous in [("", True), ("net.promisc=0", False)]:
        guest = start(nics=[Nic()], options=f"app=testpmd {words}")
        guest.wait_ready()
        assert rx_filter(guest)["promiscuous"] is promiscuous
        guest.close()


def test_the_table_of_addresses(serve):
    guest = serve()
    unicast = [f"02:00:00:00:01:{i:02x}" for i in range(3)]
    multicast = [f"01:00:5e:00:01:{i:02x}" for i in range(3)]
    for u, m in zip(unicast, multicast):
        done(guest, f"mcast_addr add 0 {m}")
        done(guest, f"mac_addr add 0 {u}")
    state = rx_filter(guest)
    assert sorted(state["unicast-table"]) == unicast and sorted(state["multicast-table"]) == multicast
    assert all(comes(guest, a) for a in unicast + multicast) and not comes(guest, OTHER)
    done(guest, f"mac_addr remove 0 {unicast[1]}")
    done(guest, f"mcast_addr remove 0 {multicast[0]}")
    state = rx_filter(guest)
    assert sorted(state["unicast-table"]) == [unicast[0], unicast[2]]
    assert sorted(state["multicast-table"]) == multicast[1:]
    guest.command(f"mac_addr remove 0 {OTHER}", "it is not there")
    guest.command(f"mac_addr add 0 {GROUP}", "unicast address", wrong=True)
    guest.command(f"mac_addr add 7 {OTHER}", "a number below 1", wrong=True)


def test_another_own_address(serve):
    guest = serve()
    done(guest, f"mac_addr set 0 {OTHER}")
    assert rx_filter(guest)["main-mac"] == OTHER
    announced = guest.peer().next(lambda f: is_arp(f) and f[6:12] == mac_bytes(OTHER))
    assert announced is not None, "neighbours are told"
    guest.peer().guest_mac = OTHER
    assert guest.peer().ping() and guest.peer().echo(b"still here")


def test_an_address_given_by_option_is_the_cards(start):
    guest = start(nics=[Nic()], options=f"net.ip=10.0.2.15/24 net.mac={OTHER}")
    guest.wait_ready()
    assert rx_filter(guest)["main-mac"] == OTHER
    guest.peer().guest_mac = OTHER
    assert guest.peer().ping()


def test_tags(start):
    guest = start(nics=[Nic()], options="net.ip=10.0.2.15/24 net.rx_offloads=vlan_filter")
    guest.wait_ready()
    mac, tag = guest.nics[0].mac, b"\x81\x00\x00\x05"
    # QEMU 10.0 begins with all tags in its table, not with none (5.1.9.5.3)
    for _ in range(2):
        done(guest, "rx_vlan add 5 all")
        assert comes(guest, mac, tag) and 5 in rx_filter(guest)["vlan-table"]
        done(guest, "rx_vlan rm 5 0")
        assert not comes(guest, mac, tag) and 5 not in rx_filter(guest)["vlan-table"]
    guest.command("rx_vlan add 4096 all", "a VLAN 0 to 4095", wrong=True)


def test_an_announcement_that_qemu_asks_for(serve):
    guest = serve()
    time.sleep(1.5)  # those of the start
    guest.peer().drain()
    for _ in range(3):
        guest.qmp("announce-self", initial=50, max=50, rounds=1, step=50)
        arp = guest.peer().next(lambda f: is_arp(f) and f[28:32] == f[38:42])
        assert arp is not None and arp[22:28] == mac_bytes(guest.nics[0].mac)
        # QEMU asks again only when this was acknowledged
        wait_until(lambda: "ANNOUNCE" not in str(guest.virtio_status()["status"]), 5, "nothing")
        time.sleep(1.2)
        guest.peer().drain()
