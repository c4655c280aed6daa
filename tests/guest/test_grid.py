"""Every path on every form of QEMU's device: which descriptors, whose event index, how large a ring,
old registers or new. A choice in which each value meets each path runs always, all of them with
`make soak`."""

import itertools

import pytest

from test_paths import PATHS, check_counters, exchange

RING_SIZES = (256, 512, 1024)
SWITCH = ("on", "off")
LEGACY = ("Split virtqueue mergeable path", "Split virtqueue non-mergeable path")


def grid():
    """(path, rx, tx, properties, is it in the choice?)"""
    for number, (path, rx, tx, props) in enumerate(PATHS[:8]):
        registers = ("", "disable-modern=on") if path in LEGACY else ("",)
        for old, event_idx, indirect, size in itertools.product(registers, SWITCH, SWITCH,
                                                                 RING_SIZES):
            words = [props, old, f"event_idx={event_idx}", f"indirect_desc={indirect}",
                     f"rx_queue_size={size}"]
            # one of each path here, the usual device in test_paths.py
            always = (event_idx == SWITCH[number % 2] and indirect == SWITCH[number // 2 % 2] and
                      size == RING_SIZES[1 + number % 2])
            yield path, rx, tx, ",".join(w for w in words if w), always


def cases():
    for path, rx, tx, props, always in grid():
        marks = [] if always else [pytest.mark.soak]
        yield pytest.param(path, rx, tx, props, id=f"{path}-{props}", marks=marks)


@pytest.mark.parametrize("path,rx,tx,props", cases())
def test_echoes_frames_of_every_size(serve, needs_property, path, rx, tx, props):
    needs_property(*(p.split("=")[0] for p in props.split(",")))
    guest = serve(props)
    port = guest.json_lines("port")[0]
    assert (port["path"], port["rx"], port["tx"]) == (path, rx, tx)
    assert port["transport"] == ("legacy" if "disable-modern" in props else "modern")
    assert f"rx_queue_size={port['rxd']}" in props
    exchange(guest.peer())
    check_counters(guest)
