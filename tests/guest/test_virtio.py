"""The driver against QEMU's devices: what is negotiated, seen from both sides, and every option
of the device that changes the rings or the transport."""

import pytest
from frames import is_arp

from ringzero import ARCH, MACHINES, STATIC, Nic

MERGEABLE = ("Split virtqueue mergeable path", "virtio_recv_mergeable_pkts", "virtio_xmit_pkts")
PLAIN = ("Split virtqueue non-mergeable path", "virtio_recv_pkts", "virtio_xmit_pkts")

# nothing else is implemented, so nothing else may be accepted
IMPLEMENTED = {
    "VIRTIO_NET_F_MTU", "VIRTIO_NET_F_MAC", "VIRTIO_NET_F_MRG_RXBUF", "VIRTIO_NET_F_STATUS",
    "VIRTIO_NET_F_SPEED_DUPLEX", "VIRTIO_F_ANY_LAYOUT", "VIRTIO_F_INDIRECT_DESC",
    "VIRTIO_NET_F_CTRL_VQ", "VIRTIO_NET_F_CTRL_RX", "VIRTIO_NET_F_CTRL_RX_EXTRA",
    "VIRTIO_NET_F_CTRL_MAC_ADDR", "VIRTIO_NET_F_GUEST_ANNOUNCE",
    "VIRTIO_F_EVENT_IDX", "VIRTIO_F_VERSION_1", "VIRTIO_F_ACCESS_PLATFORM",
    "VIRTIO_F_RING_PACKED", "VIRTIO_F_IN_ORDER", "VIRTIO_F_RING_RESET",
}

# how QEMU calls what the specification calls otherwise
QEMU_NAMES = {
    "VIRTIO_RING_F_INDIRECT_DESC": "VIRTIO_F_INDIRECT_DESC",
    "VIRTIO_RING_F_EVENT_IDX": "VIRTIO_F_EVENT_IDX",
    "VIRTIO_F_IOMMU_PLATFORM": "VIRTIO_F_ACCESS_PLATFORM",
}


def path_of(port):
    return port["path"], port["rx"], port["tx"]


def feature_names(described):
    """Names out of QEMU's "NAME: what it means" lists."""
    lines = described["transports"] + described.get("dev-features", [])
    names = {line.split(":")[0].strip() for line in lines}
    return {QEMU_NAMES.get(n, n) for n in names}


def negotiated(guest, n=0):
    described = guest.virtio_status(n)["guest-features"]
    assert not described.get("unknown-dev-features")
    return feature_names(described)


def check_serves(guest, mtu=1500):
    peer = guest.peer()
    for n in (0, 1, 17, 18, 63, 512, mtu - 29, mtu - 28):
        assert peer.echo(bytes(i & 0xff for i in range(n))), f"payload of {n} bytes"


def check_negotiation(guest):
    """The console and the device agree, and nothing is accepted that is not implemented."""
    port = guest.json_lines("port")[0]
    accepted = negotiated(guest)
    assert accepted == set(port["features"])
    assert accepted <= IMPLEMENTED
    assert accepted <= feature_names(guest.virtio_status()["host-features"])


DEVICES = [
    # properties, transport, path
    ("", "modern", MERGEABLE),
    ("disable-legacy=on", "modern", MERGEABLE),
    ("disable-modern=on", "legacy", MERGEABLE),
    ("mrg_rxbuf=off", "modern", PLAIN),
    ("disable-legacy=on,mrg_rxbuf=off", "modern", PLAIN),
    ("disable-modern=on,mrg_rxbuf=off", "legacy", PLAIN),
    ("event_idx=off", "modern", MERGEABLE),
    ("indirect_desc=off", "modern", MERGEABLE),
    ("event_idx=off,indirect_desc=off,mrg_rxbuf=off", "modern", PLAIN),
    ("disable-modern=on,event_idx=off,indirect_desc=off", "legacy", MERGEABLE),
    ("status=off", "modern", MERGEABLE),
    ("page-per-vq=on,disable-legacy=on", "modern", MERGEABLE),
    ("modern-pio-notify=on", "modern", MERGEABLE),
    ("ioeventfd=off", "modern", MERGEABLE),
    ("iommu_platform=on,disable-legacy=on", "modern", MERGEABLE),
    ("ctrl_vq=off,ctrl_rx=off,ctrl_vlan=off,ctrl_rx_extra=off,guest_announce=off,"
     "ctrl_mac_addr=off,ctrl_guest_offloads=off", "modern", MERGEABLE),
    ("ctrl_vq=off", "modern", MERGEABLE),
    ("mq=on", "modern", MERGEABLE),
    ("rss=on,hash=on", "modern", MERGEABLE),
    ("guest_rsc_ext=on", "modern", MERGEABLE),
    ("host_mtu=1400", "modern", MERGEABLE),
    ("speed=10000,duplex=full", "modern", MERGEABLE),
    ("rx_queue_size=1024", "modern", MERGEABLE),
    ("vectors=0", "modern", MERGEABLE),
    ("vectors=0,disable-modern=on", "legacy", MERGEABLE),
    ("vectors=1", "modern", MERGEABLE),
    ("vectors=2", "modern", MERGEABLE),
    ("vectors=64", "modern", MERGEABLE),
]


@pytest.mark.parametrize("props,transport,path", DEVICES, ids=[d[0] or "default" for d in DEVICES])
def test_serves_with_every_device_option(serve, needs_property, props, transport, path):
    needs_property(*(p.split("=")[0] for p in props.split(",") if p))
    guest = serve(props)
    port = guest.json_lines("port")[0]
    assert port["transport"] == transport
    assert path_of(port) == path
    check_negotiation(guest)
    check_serves(guest, port["mtu"])


@pytest.mark.parametrize("props", ["", "disable-modern=on"])
def test_the_driver_can_refuse_mergeable_buffers(serve, props):
    guest = serve(props, options=f"{STATIC} net.mrg_rxbuf=0")
    port = guest.json_lines("port")[0]
    assert path_of(port) == PLAIN
    assert "VIRTIO_NET_F_MRG_RXBUF" not in negotiated(guest)
    check_serves(guest)


def test_speed_is_the_device_s_or_the_option_s(start):
    device = start(nics=[Nic("speed=25000,duplex=full")])
    option = start(nics=[Nic()], options=f"{STATIC} net.speed=1000")
    assert device.wait_json("port")["speed"] == 25000
    assert option.wait_json("port")["speed"] == 1000


def test_the_mac_address_can_be_set(start):
    guest = start(nics=[Nic()], options=f"{STATIC} net.mac=52:54:00:aa:bb:cc")
    guest.wait_json("ready")
    assert guest.json_lines("port")[0]["mac"] == "52:54:00:aa:bb:cc"
    assert guest.peer().arp_ask() == "52:54:00:aa:bb:cc"


# ---- interrupts --------------------------------------------------------------------------------


@pytest.mark.parametrize("props,vectors", [
    ("", 2), ("vectors=2", 2), ("vectors=1", 1), ("vectors=0", 0), ("disable-modern=on", 2),
])
def test_vectors_used(serve, props, vectors):
    """One for the configuration, one per Rx queue; one shared if the device has only one."""
    guest = serve(props)
    msix = guest.json_lines("port")[0]["msix"]
    assert msix["vectors"] == vectors
    if vectors:
        assert msix["config"] == 0
        assert msix["rx"] == [vectors - 1]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("props", ["", "vectors=1", "vectors=0", "disable-modern=on",
                                   "disable-modern=on,vectors=0"])
def test_a_change_of_the_link_is_noticed(serve, machine, props):
    guest = serve(props, machine=machine)
    guest.qmp("set_link", name="n0", up=False)
    guest.wait_text(r"virtio_net: .*link.*down", limit=10)
    seen = len(guest.read())
    guest.qmp("set_link", name="n0", up=True)
    guest.wait_text(r"virtio_net: .*link.*up", limit=10, after=seen)
    assert guest.peer().echo(b"after the change")


def test_a_guest_started_with_the_link_down_serves_when_it_comes_up(start):
    guest = start(nics=[Nic()], extra=["-S"])
    guest.qmp("set_link", name="n0", up=False)
    guest.qmp("cont")
    assert guest.wait_json("port")["link"] == "down"
    guest.wait_json("ready")
    guest.qmp("set_link", name="n0", up=True)
    guest.wait_text(r"virtio_net: .*link.*up", limit=10)
    for _ in range(2):  # one could be the second that belongs to the start
        assert guest.peer().next(lambda f: is_arp(f) and f[28:32] == f[38:42]), "it is announced"
    assert guest.peer().echo(b"at last")


# ---- rings -------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked,got", [(64, 64), (128, 128), (256, 256)])
def test_fewer_descriptors_can_be_asked_for(serve, asked, got):
    guest = serve(options=f"{STATIC} net.rxd={asked} net.txd={asked}")
    port = guest.json_lines("port")[0]
    assert (port["rxd"], port["txd"]) == (got, got)
    check_serves(guest)


@pytest.mark.parametrize("props,rxd", [("", 256), ("rx_queue_size=1024", 1024),
                                       ("disable-modern=on", 256)])
def test_more_descriptors_than_the_device_has_are_a_warning(serve, props, rxd):
    guest = serve(props, options=f"{STATIC} net.rxd=4096 net.txd=2048")
    port = guest.json_lines("port")[0]
    assert (port["rxd"], port["txd"]) == (rxd, 256)
    warnings = [line for line in guest.lines if "warn" in line]
    assert any("4096" in line and str(rxd) in line for line in warnings), warnings
    assert any("2048" in line and "256" in line for line in warnings), warnings
    check_serves(guest)


@pytest.mark.parametrize("asked", [3, 100, 1000])
def test_a_number_of_descriptors_that_cannot_be_is_said(start, asked):
    """Split rings are powers of two: another number is rounded or refused, and said."""
    guest = start(nics=[Nic()], options=f"{STATIC} net.rxd={asked}")
    guest.wait_text(rf"(warn|error).*{asked}", limit=20)


def test_a_legacy_ring_cannot_be_made_smaller(serve):
    guest = serve("disable-modern=on", options=f"{STATIC} net.rxd=64")
    assert guest.json_lines("port")[0]["rxd"] == 256
    assert any("warn" in line and "256" in line for line in guest.lines)
    check_serves(guest)


# ---- MTU ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("props,words,mtu", [
    ("host_mtu=9000", "net.mtu=9000", 9000),
    ("host_mtu=9000,mrg_rxbuf=off", "net.mtu=9000", 9000),
    ("host_mtu=9000,disable-modern=on", "net.mtu=9000", 9000),
    ("host_mtu=9000", "", 9000),
    ("host_mtu=1400", "", 1400),
    ("host_mtu=1400", "net.mtu=1300", 1300),
    ("", "net.mtu=9000", 9000),
    ("mrg_rxbuf=off", "net.mtu=9000", 9000),
])
def test_frames_up_to_the_mtu_are_echoed(serve, props, words, mtu):
    guest = serve(props, options=f"{STATIC} {words}", memory=128)
    assert guest.json_lines("port")[0]["mtu"] == mtu
    pattern = bytes(i * 7 & 0xff for i in range(mtu))
    for size in (64, mtu - 128, mtu - 28):
        assert guest.peer().echo(pattern[:size]), f"payload of {size} bytes"


@pytest.mark.parametrize("props", ["", "mrg_rxbuf=off"])
def test_frames_of_9728_bytes(serve, props):
    guest = serve(props, options=f"{STATIC} net.mtu=9714", memory=128)
    pattern = bytes(i * 7 & 0xff for i in range(9714))
    for frame in (64, 1514, 1515, 2048, 2049, 4096, 9727, 9728):
        assert guest.peer().echo(pattern[:frame - 42]), f"frame of {frame} bytes"
    assert guest.peer().ping(pattern[:9714 - 28])


# ---- on the bus --------------------------------------------------------------------------------


PLAIN_PCI, EXPRESS = {"x86_64": ("pc", "q35"), "aarch64": ("virt", "virt,gic-version=3")}[ARCH]
BRIDGES = {
    "root-port": (EXPRESS, ["-device", "pcie-root-port,id=rp,chassis=1"], "rp"),
    "switch": (EXPRESS, ["-device", "pcie-root-port,id=rp,chassis=1",
                         "-device", "x3130-upstream,id=up,bus=rp",
                         "-device", "xio3130-downstream,id=down,bus=up,chassis=2"], "down"),
    "pcie-pci-bridge": (EXPRESS, ["-device", "pcie-pci-bridge,id=br"], "br"),
    "pci-bridge": (PLAIN_PCI, ["-device", "pci-bridge,id=br,chassis_nr=1"], "br"),
    "two-bridges": (PLAIN_PCI, ["-device", "pci-bridge,id=b1,chassis_nr=1",
                                "-device", "pci-bridge,id=br,chassis_nr=2,bus=b1,addr=1"], "br"),
}
if ARCH == "x86_64":  # elsewhere only ACPI's byte code tells of further root buses
    BRIDGES["expander"] = (PLAIN_PCI, ["-device", "pxb,id=px,bus_nr=128"], "px")


@pytest.mark.parametrize("machine,extra,bus", BRIDGES.values(), ids=BRIDGES.keys())
def test_serves_behind_bridges(start, machine, extra, bus):
    guest = start(nics=[Nic(f"bus={bus}" + (",addr=1" if "br" in bus or bus == "px" else ""))],
                  machine=machine, extra=extra)
    guest.wait_ready()
    assert not guest.json_lines("port")[0]["bdf"].startswith("0000:00:")
    check_serves(guest)
    guest.qmp("set_link", name="n0", up=False)
    guest.wait_text(r"virtio_net: .*link.*down", limit=10)


def test_serves_on_a_function_other_than_0(start):
    guest = start(nics=[Nic("addr=0x6.0,multifunction=on"), Nic("addr=0x6.3")],
                  options="net0.ip=10.0.1.15/24 net1.ip=10.0.2.15/24")
    guest.wait_ready()
    assert [p["bdf"] for p in guest.json_lines("port")] == ["0000:00:06.0", "0000:00:06.3"]
    assert guest.peer(1).echo(b"function 3")


def test_other_cards_are_left_alone(start):
    guest = start(nics=[Nic(model="e1000"), Nic(), Nic(model="rtl8139")])
    guest.wait_ready()
    port, = guest.json_lines("port")
    assert port["mac"] == guest.nics[1].mac
    assert guest.peer(1).echo(b"hello")


# ---- nothing to work with ----------------------------------------------------------------------


@pytest.mark.parametrize("nics", [[], [Nic(model="e1000")]], ids=["none", "e1000"])
def test_no_virtio_card_is_said_in_one_line(start, nics):
    guest = start(nics=nics)
    guest.wait_json("error")
    guest.wait_text(r"^\[.*virtio.*no |^\[.*no .*virtio")
    said = [line for line in guest.read()
            if not line.startswith("{") and "virtio" in line and "no " in line.lower()]
    assert len(said) == 1, said
