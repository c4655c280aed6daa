"""Backends that break the protocol: each gets a clear error, in bounded time, and then a new try."""

import socket
import struct
import time

import pytest
from backend import (EVENT_IDX, FEATURES, GET_FEATURES, GET_PROTOCOL_FEATURES, GET_STATUS,
                     INDIRECT_DESC, MRG_RXBUF, NAMES, SET_FEATURES, SET_MEM_TABLE, SET_STATUS, SET_VRING_KICK, VERSION_1, reply)
from hosted import ASAN, LIMIT, wait_served
from ringzero import STATIC


def half_then_close(c, request):
    c.sendall(reply(request, bytes(8))[:7])
    c.close()


FAULTS = {
    "closes": (lambda c, _: c.close(), "has closed its end|reset by peer|Bad file"),
    "closes_in_the_middle": (half_then_close, "has closed its end|reset by peer"),
    "stops_in_the_middle": (lambda c, r: c.sendall(reply(r, bytes(8))[:15]), "does not answer"),
    "is_silent": (lambda c, r: None, "does not answer"),
    "answers_something_else": (lambda c, r: c.sendall(reply(r + 1, bytes(8))), "something else"),
    "is_no_answer": (lambda c, r: c.sendall(reply(r, bytes(8), flags=1)), "something else"),
    "has_another_version": (lambda c, r: c.sendall(reply(r, bytes(8), flags=6)),
                            "speaks another version"),
    "is_too_long": (lambda c, r: c.sendall(reply(r, bytes(9))), "has a wrong length"),
    "is_huge": (lambda c, r: c.sendall(reply(r, bytes(8), size=0xffffffff)), "wrong length"),
    "is_empty": (lambda c, r: c.sendall(reply(r, b"")), "has a wrong length"),
}


@pytest.mark.parametrize("at, fault", [
    pytest.param(at, fault, id=f"{NAMES[at]}-{fault}", marks=[pytest.mark.soak] if (i + k) % 2 else [])
    for i, at in enumerate((GET_FEATURES, SET_MEM_TABLE, SET_VRING_KICK, GET_STATUS))
    for k, fault in enumerate(FAULTS)])
def test_a_wrong_answer_at_the_start_is_named(start, backend, tmp_path, at, fault):
    what, says = FAULTS[fault]
    backend(at, what)
    begin = time.monotonic()
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    assert process.wait_exit(LIMIT) == 1
    assert time.monotonic() - begin < 8
    process.wait_text(f"{NAMES[at]}: .*({says})")
    assert process.stderr_path.read_text() == ""


@pytest.mark.parametrize("at", [SET_FEATURES, SET_MEM_TABLE, SET_VRING_KICK], ids=NAMES.get)
def test_a_refusal_is_named(start, backend, tmp_path, at):
    backend(at, lambda c, r: c.sendall(reply(r, struct.pack("<Q", 1))))
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    assert process.wait_exit(LIMIT) == 1
    process.wait_text(f"{NAMES[at]}: the backend refuses")


def test_a_backend_without_protocol_features_serves(start, backend, tmp_path):
    b = backend(features=FEATURES & ~(1 << 30))
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    assert GET_PROTOCOL_FEATURES not in b.seen and SET_STATUS not in b.seen


def test_a_backend_without_version_1_is_refused(start, backend, tmp_path):
    backend(features=FEATURES & ~(1 << 32))
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    assert process.wait_exit(LIMIT) == 1
    process.wait_text("does not offer VIRTIO_F_VERSION_1")


LATER = {
    "closes": (lambda c: c.shutdown(socket.SHUT_RDWR), "has closed its end"),
    "sends_rubbish": (lambda c: c.sendall(b"rubbish"), "nobody asked for|something else"),
}


@pytest.mark.parametrize("what", LATER)
def test_what_comes_later_leads_to_a_new_connection(start, backend, tmp_path, what):
    b = backend(protocol=1 << 3)
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    for n in range(1, 4):
        after = len(process.read())
        LATER[what][0](b.current)
        process.wait_text(LATER[what][1], LIMIT, after)
        process.wait_text("port 0: the device is gone; port is down", LIMIT, after)
        process.wait_text("port 0: runs again, link up", LIMIT, after)
        assert b.connections == n + 1
    process.fresh_stats()
    said = "".join(process.read())
    assert "needs a reset" not in said and "port 0: link up" not in said, "it is said once"


def test_a_device_that_needs_a_reset_gets_one(start, backend, tmp_path):
    b = backend()
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    b.status |= 0x40
    process.wait_text("the device needs a reset", LIMIT)
    process.wait_text("port 0: runs again, link up", LIMIT)
    assert b.connections == 1, "on the same connection"
    assert b.status & 0x4f == 0x0f


def test_tries_get_rarer_but_not_more_than_a_second_apart(start, backend, tmp_path):
    b = backend()
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    b.at, b.fault = GET_FEATURES, lambda c, r: c.close()
    b.current.shutdown(socket.SHUT_RDWR)
    process.wait_text("link down", LIMIT)
    time.sleep(4)
    assert 4 <= b.connections <= 12
    b.at = None
    process.wait_text("port 0: runs again, link up", 3)


@pytest.mark.parametrize("lacks,says", [(VERSION_1, "does not offer VIRTIO_F_VERSION_1"),
                                        (MRG_RXBUF, "the device has no VIRTIO_NET_F_MRG_RXBUF any more")],
                         ids=["version_1", "mrg_rxbuf"])
def test_a_backend_may_come_back_with_less_and_then_be_well(start, backend, tmp_path, lacks, says):
    b = backend(protocol=0)
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    b.features = FEATURES & ~lacks
    b.current.shutdown(socket.SHUT_RDWR)
    process.wait_text(says, LIMIT)
    b.features = FEATURES
    process.wait_text("port 0: runs again, link up", LIMIT)


def test_a_backend_may_come_back_with_more(start, backend, tmp_path):
    b = backend()
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    b.features |= EVENT_IDX | INDIRECT_DESC
    b.current.shutdown(socket.SHUT_RDWR)
    process.wait_text("port 0: runs again, link up", LIMIT)
    assert b.accepted & (EVENT_IDX | INDIRECT_DESC) == 0, "nothing here is made for it"
    assert b.accepted & MRG_RXBUF


def test_a_bad_answer_for_the_status_is_no_refusal_of_features(start, backend, tmp_path):
    backend(GET_STATUS, FAULTS["answers_something_else"][0])
    process = start(f"net0.path={tmp_path}/s {STATIC}", program=ASAN)
    assert process.wait_exit(LIMIT) == 1
    process.wait_text("the device failed before it had agreed to features")
    assert "refuses the features" not in "".join(process.read())


STALL_LIMIT = 1.5  # seconds; it was up to three


@pytest.mark.parametrize("at,fault,says", [
    (GET_STATUS, "stops_in_the_middle", 1), (GET_FEATURES, "is_silent", 1),
    (SET_MEM_TABLE, "is_silent", 3)], ids=["half_of_its_status", "greeting", "memory"])
def test_a_backend_that_stalls_is_not_waited_for_by_other_ports(start, backend, switch, tmp_path,
                                                               at, fault, says):
    s = switch()
    b = backend()
    process = start(f"net0.path={s.sockets[0]} net1.path={tmp_path}/s {STATIC}", program=ASAN)
    process.wait_ready()
    s.peer.guest_mac = process.json_lines("port")[0]["mac"]
    wait_served(s.peer)
    b.at, b.fault = at, FAULTS[fault][0]
    if at != GET_STATUS:
        b.current.shutdown(socket.SHUT_RDWR)
    deadline = time.monotonic() + LIMIT
    said = f"{NAMES[at]}: the backend does not answer"
    while sum(said in line for line in process.read()) < 2 * says:  # as text, as JSON
        assert s.peer.echo(b"there?", limit=STALL_LIMIT), "the loop waits for the other backend"
        assert time.monotonic() < deadline
    b.at = None
    process.wait_text("port 1: runs again, link up", LIMIT)
    assert process.stderr_path.read_text() == ""
