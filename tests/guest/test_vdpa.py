"""net.vdpa=1: the usual driver on a device whose rings are left to the vDPA layer."""

import time

import pytest

import gdb
from frames import exchange
from ringzero import STATIC, Nic, wait_until
from test_hotplug import MACHINE, NATIVE, put_back, there
from test_interrupt import check_sleeper
from test_multiqueue import GUEST_IP, OUR_IP, PAIRS, echo_flows, stats_of_queues
from test_recovery import (RINGS, failures, meanwhile, poison, queue_command, queue_status,
                           served, set_link)

SOME = [("packed", "adaptive"),
        *(pytest.param(ring, mode, marks=pytest.mark.soak) for ring in RINGS
          for mode in ("poll", "interrupt", "adaptive") if (ring, mode) != ("packed", "adaptive"))]


def port_of(guest):
    return guest.json_lines("port")[0]


@pytest.mark.parametrize("ring,mode", SOME)
def test_a_port_lives_through_it(start, needs_property, tmp_path, ring, mode):
    """Frames, interrupts, one queue alone, the link, a device that needs a reset."""
    needs_property("queue_reset", *(["in_order"] if "in-order" in ring else []))
    guest = start(nics=[Nic(RINGS[ring])], extra=gdb.arguments(tmp_path),
                  options=f"{STATIC} net.vdpa=1 net.mode={mode}")
    guest.memory = lambda: gdb.Memory(tmp_path / "gdb")
    guest.wait_ready()
    port = port_of(guest)
    assert port["transport"] == "vdpa"
    assert port["msix"] == {"vectors": 2, "config": 0, "rx": [1]}
    assert ("VIRTIO_F_RING_PACKED" in port["features"]) == ring.startswith("packed")
    exchange(guest.peer(), 200)
    if mode != "poll":
        check_sleeper(guest)

    for n, q in enumerate(("rxq", "txq")):
        queue_command(guest, f"port config 0 {q} 0 ring_size 64")
        assert queue_status(guest, n)["vring-num"] == 64
        queue_command(guest, f"port 0 {q} 0 stop")
        queue_command(guest, f"port 0 {q} 0 start")
        served(guest)
    set_link(guest, False)
    set_link(guest, True)
    served(guest)

    # its reset is a stop and a start, too
    before = failures(guest)
    after = len(guest.read())
    poison(guest, ring)
    assert not guest.peer().echo(b"this one breaks the ring", limit=0.2)
    guest.wait_text("port 0: the device needs a reset; port is down", 10, after)
    guest.wait_text("port 0: runs again, link up", 10, after)
    served(guest)
    exchange(guest.peer(), 200)
    assert failures(guest) == before + 1


@pytest.mark.soak
@pytest.mark.parametrize("props", ["", "packed=on"])
def test_several_queue_pairs(start, netns, props):
    netns.add_tap("tap0", f"{OUR_IP}/24", several=True)
    nic = Nic(f"mq=on,vectors=10,{props}", backend="tap", ifname="tap0", queues=PAIRS)
    guest = start(nics=[nic], netns=netns, pcap=False, extra=["-smp", "2"],
                  options=f"net.ip={GUEST_IP}/24 net.rxq={PAIRS} net.vdpa=1 net.mode=interrupt")
    guest.wait_ready()
    assert port_of(guest)["transport"] == "vdpa"
    echo_flows(netns)
    last = stats_of_queues(guest, 640)
    assert sorted(last) == list(range(PAIRS))
    assert all(s["interrupts"] for s in last.values())


@pytest.mark.soak
def test_a_card_that_is_put_back(start):
    nic = Nic("bus=rp")
    guest = start(nics=[nic], machine=MACHINE, extra=NATIVE, options=f"{STATIC} net.vdpa=1")
    guest.wait_ready()
    served(guest)
    for _ in range(2):
        after = len(guest.read())
        guest.qmp("device_del", id="nic0")
        guest.wait_text("the card may be taken out", 10, after)
        wait_until(lambda: not there(guest), 10, "QEMU takes it out")
        put_back(guest, nic, bus="rp")
        guest.wait_text("port 0: runs again, link up", 15, after)
        served(guest)


@pytest.mark.soak
@pytest.mark.parametrize("props", ["vectors=0", "vectors=1", "vectors=2"])
def test_interrupts_as_the_device_has_them(start, props):
    guest = start(nics=[Nic(props)], options=f"{STATIC} net.vdpa=1 net.mode=interrupt")
    guest.wait_ready()
    assert port_of(guest)["transport"] == "vdpa"
    check_sleeper(guest)


@pytest.mark.arch("x86_64")
def test_each_port_by_itself_and_not_by_legacy_registers(start):
    guest = start(nics=[Nic("disable-modern=on"), Nic(), Nic()],
                  options="net.ip=10.0.2.15/24 net.vdpa=1 net2.vdpa=0")
    guest.wait_ready()
    wait_until(lambda: len(guest.json_lines("port")) == 3, 10, "three ports")
    assert [p["transport"] for p in guest.json_lines("port")] == ["legacy", "vdpa", "modern"]
    guest.wait_text("0000:00:0.*: has legacy registers, and vDPA needs modern ones")
    guest.wait_text("net0.vdpa=1: port 0 is driven without vDPA")
    for n in range(3):
        wait_until(lambda: guest.peer(n).echo(b"hello", limit=0.2), 10, f"an echo from port {n}")


@pytest.mark.soak
@pytest.mark.parametrize("props", ["", "packed=on"])
def test_ports_of_testpmd_stop_and_start(start, props):
    guest = start(nics=[Nic(props)], options="app=testpmd fwd=macswap net.vdpa=1")
    guest.wait_ready()
    for _ in range(5):
        for line, answer in (("stop", "^Done."), ("port stop 0", "^Done"), ("port start 0", "^Done"),
                             ("start", "^macswap packet forwarding")):
            guest.command(line, answer)
    peer = guest.peer()
    with meanwhile(lambda: peer.send(peer.udp_frame(b"there and back")) or time.sleep(0.01)):
        guest.wait_stats(lambda s: s["rx_packets"] >= 50 and s["tx_packets"] >= 50)
    assert guest.fresh_stats()["rx_errors"] == 0
