"""Every path on every form of QEMU's device: which descriptors, whose event index, how large a ring,
old registers or new. A choice in which each value meets each path runs always, all of them with
`make soak`."""

import itertools

import pytest

from frames import exchange
from ringzero import STATIC
from test_paths import PATHS, VECTOR_PATHS, check_counters

RING_SIZES = (256, 512, 1024)
SWITCH = ("on", "off")
LEGACY = ("Split virtqueue mergeable path", "Split virtqueue non-mergeable path")


def scalar_grid():
    """(path, rx, tx, properties, is it in the choice?)"""
    for number, (path, rx, tx, props) in enumerate(PATHS):
        registers = ("", "disable-modern=on") if path in LEGACY else ("",)
        for old, event_idx, indirect, size in itertools.product(registers, SWITCH, SWITCH,
                                                                 RING_SIZES):
            words = [props, old, f"event_idx={event_idx}", f"indirect_desc={indirect}",
                     f"rx_queue_size={size}"]
            # one of each path here, the usual device in test_paths.py
            always = (event_idx == SWITCH[number % 2] and indirect == SWITCH[number // 2 % 2] and
                      size == RING_SIZES[1 + number % 2])
            yield path, rx, tx, ",".join(w for w in words if w), always


def scalar_cases():
    for path, rx, tx, props, always in scalar_grid():
        marks = [] if always else [pytest.mark.soak]
        yield pytest.param(path, rx, tx, props, id=f"{path}-{props}", marks=marks)


def check(guest, path, rx, tx, props):
    port = guest.json_lines("port")[0]
    assert (port["path"], port["rx"], port["tx"]) == (path, rx, tx)
    assert port["transport"] == ("legacy" if "disable-modern" in props else "modern")
    assert f"rx_queue_size={port['rxd']}" in props
    exchange(guest.peer())
    check_counters(guest)


@pytest.mark.parametrize("path,rx,tx,props", scalar_cases())
def test_echoes_frames_of_every_size(serve, needs_property, path, rx, tx, props):
    needs_property(*(p.split("=")[0] for p in props.split(",")))
    check(serve(props), path, rx, tx, props)


@pytest.mark.soak
@pytest.mark.parametrize("size", RING_SIZES)
@pytest.mark.parametrize("event_idx", SWITCH)
@pytest.mark.parametrize("path,rx,tx,props", [(p, rx, tx, props)
                                              for p, rx, _, tx, props in VECTOR_PATHS])
def test_so_does_vector_code(serve, needs_property, path, rx, tx, props, event_idx, size):
    needs_property("in_order", "packed")
    props = f"{props},event_idx={event_idx},rx_queue_size={size}"
    guest = serve(props, options=f"{STATIC} net.vectorized=1")
    assert guest.json_lines("port")[0]["isa"] != "scalar"
    check(guest, path, rx, tx, props)
