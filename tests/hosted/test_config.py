"""What a backend says of its device: configuration, link, reset; and what we tell it of ours."""

import socket
import struct

import pytest
from backend import (FEATURES, GET_CONFIG, NET_MAC, NET_MTU, NET_SPEED_DUPLEX, NET_STATUS, P_CONFIG,
                     P_NET_MTU, P_REPLY_ACK, P_RESET_DEVICE, P_STATUS, RESET_DEVICE)
from hosted import ASAN, LIMIT
from ringzero import STATIC, wait_until

UP, DOWN = 1, 0
ALL = FEATURES | NET_MAC | NET_MTU | NET_STATUS | NET_SPEED_DUPLEX
SMALL = FEATURES | NET_MAC | NET_STATUS


def config(status=UP, mtu=1400, mac=bytes([2, 0, 0, 0, 0, 9])):
    """Up to speed and duplex (virtio 5.1.4)."""
    return mac + struct.pack("<HHHIB", status, 1, mtu, 25000, 1)


def serve(start, tmp_path, options=""):
    process = start(f"net0.path={tmp_path}/s {STATIC} {options}", program=ASAN)
    process.wait_ready()
    return process


@pytest.mark.parametrize("options,mtu,told", [("", 1400, 1400), ("net.mtu=1300", 1300, 1300),
                                              ("net.mtu=9000", 1400, 1400)])
def test_the_configuration_is_the_backends(start, backend, tmp_path, options, mtu, told):
    b = backend(features=ALL, protocol=P_REPLY_ACK | P_CONFIG | P_NET_MTU, config=config())
    process = serve(start, tmp_path, options)
    port = process.json_lines("port")[0]
    assert (port["mac"], port["mtu"], port["speed"]) == ("02:00:00:00:00:09", mtu, 25000)
    assert port["link"] == "up"
    assert b.mtu == told


def test_another_mtu_of_a_backend_that_comes_back_is_told(start, backend, tmp_path):
    b = backend(features=ALL, protocol=P_REPLY_ACK | P_CONFIG | P_NET_MTU, config=config())
    process = serve(start, tmp_path)
    for mtu, used in ((1300, 1300), (1500, 1400), (1400, 1400)):
        after = len(process.read())
        b.config = config(mtu=mtu)
        b.current.shutdown(socket.SHUT_RDWR)
        process.wait_text("runs again, link up", LIMIT, after)
        said = f"the device's MTU is now {mtu}; using {used}" in "".join(process.read()[after:])
        assert said == (mtu != 1400)
        process.type("show port info all")
        process.wait_text(f'"mtu":{used},', LIMIT, after)


@pytest.mark.parametrize("mac,is_what", [(bytes(6), "zero"), (b"\xff" * 6, "a group's"),
                                         (b"\x01" + bytes(5), "a group's")],
                         ids=["zero", "broadcast", "multicast"])
def test_an_address_that_no_station_can_have_is_not_taken(start, backend, tmp_path, mac, is_what):
    backend(features=ALL, protocol=P_REPLY_ACK | P_CONFIG, config=config(mac=mac))
    process = serve(start, tmp_path)
    process.wait_text(f"the device's MAC address is {is_what}; a random one is used")
    assert int(process.json_lines("port")[0]["mac"][:2], 16) & 3 == 2, "local, of one station"


@pytest.mark.parametrize("protocol", [P_CONFIG, P_CONFIG | P_STATUS | P_REPLY_ACK],
                         ids=["alone", "with_status"])
def test_the_link_is_the_backends(start, backend, tmp_path, protocol):
    b = backend(features=SMALL, protocol=protocol, config=config(DOWN)[:8])
    process = serve(start, tmp_path)
    assert process.json_lines("port")[0]["link"] == "down"
    for state, says in ((UP, "up"), (DOWN, "down"), (UP, "up")):
        after = len(process.read())
        b.config = config(state)[:8]
        process.wait_text(f"port 0: link {says}", LIMIT, after)
    assert b.connections == 1


def test_a_backend_that_gives_no_configuration_is_done_without(start, backend, tmp_path):
    backend(features=ALL, protocol=P_REPLY_ACK | P_CONFIG)
    process = serve(start, tmp_path)
    process.wait_text("gives no configuration; done without")
    port = process.json_lines("port")[0]
    assert (port["mtu"], port["link"]) == (1500, "up")
    assert "VIRTIO_NET_F_MAC" not in port["features"]


def test_a_configuration_that_vanishes_changes_nothing(start, backend, tmp_path):
    b = backend(features=SMALL, protocol=P_REPLY_ACK | P_CONFIG, config=config()[:8])
    process = serve(start, tmp_path)
    b.config = b""
    seen = b.seen.count(GET_CONFIG)
    wait_until(lambda: b.seen.count(GET_CONFIG) > seen, LIMIT, "a question")
    process.fresh_stats()
    assert b.seen.count(GET_CONFIG) <= seen + 2, "it is not asked any more"
    assert b.connections == 1


@pytest.mark.parametrize("protocol", [P_RESET_DEVICE, P_RESET_DEVICE | P_REPLY_ACK],
                         ids=["plain", "acknowledged"])
def test_a_backend_without_status_is_reset_by_a_message(start, backend, tmp_path, protocol):
    b = backend(protocol=protocol)
    process = serve(start, tmp_path)
    assert b.seen.count(RESET_DEVICE) == 1, "at the start"
    process.type("poweroff")
    assert process.wait_exit(LIMIT) == 0
    wait_until(lambda: b.seen.count(RESET_DEVICE) == 2, LIMIT, "a reset at the end")


def test_a_backend_with_status_is_not(start, backend, tmp_path):
    b = backend(protocol=P_RESET_DEVICE | P_STATUS)
    process = serve(start, tmp_path)
    process.type("poweroff")
    assert process.wait_exit(LIMIT) == 0
    assert RESET_DEVICE not in b.seen
    assert b.status == 0
