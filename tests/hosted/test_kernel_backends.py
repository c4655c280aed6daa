"""The kernel's own back ends, in a Linux guest: vhost-net with a tap, whose other side is the guest's
own network stack, and vhost-vdpa with vhost-switch as the device (VDUSE), which the guest's own
virtio-net driver is connected to, too.

One guest for all tests of a kernel; each test begins with no process and no interface.
"""

import re
from pathlib import Path

import pytest
from hosted import ASAN
from linux import LinuxGuest

ADDRESS = "net.ip=10.0.2.15/24"
VHOST_NET = ["tun", "tap", "vhost_iotlb", "vhost", "vhost_net"]


# of what is ours, one kernel is enough; what the kernel does is seen on both by make soak
soak = pytest.mark.soak
RELEASE = pytest.param("release", marks=[soak, pytest.mark.xdist_group("linux-release")])
NEWEST = pytest.param("newest", marks=pytest.mark.xdist_group("linux-newest"))
one_kernel = pytest.mark.parametrize("linux", [NEWEST], indirect=True)


@pytest.fixture(scope="module", params=[RELEASE, NEWEST])
def linux(request):
    guest = LinuxGuest(request.param, VHOST_NET, [ASAN])
    yield guest
    guest.close()


@pytest.fixture
def vhost_net(linux):
    """vhost_net(options, tap=...) starts a process at vhost-net and sets the interface up."""
    def make(options="", tap="tap7", **kwargs):
        linux.ringzero(f"net0.path=/dev/vhost-net net0.iface={tap} {ADDRESS} {options}", **kwargs)
        linux.wait_ready()
        linux.sh(f"echo 1 >/proc/sys/net/ipv6/conf/{tap}/disable_ipv6")
        linux.sh(f"ip addr add 10.0.2.2/24 dev {tap} && ip link set {tap} up")
        linux.wait_text("port 0: link up")
        return linux
    yield make
    linux.sh("killall -9 ringzero ringzero-asan", status=None)
    linux.wait_text("linux: ringzero ended with")
    linux.sh("for i in tap7 tap8; do ip link del $i 2>/dev/null; done", status=None)


def counters(guest, interface):
    """Packets to ringzero and from it, as the interface and as the port has counted them, with none
    in between."""
    def of_interface():
        return [int(guest.sh(f"cat /sys/class/net/{interface}/statistics/{name}_packets"))
                for name in ("tx", "rx")]
    for _ in range(20):
        before, own = of_interface(), guest.fresh_stats()
        if of_interface() == before:
            return before, [own["rx_packets"], own["tx_packets"]], own
    raise AssertionError(f"{interface} is never quiet")


def exchange(guest, count, interface="tap7", **kwargs):
    """Every datagram comes back as it was; both sides count the same, and no fault. What ringzero
    wanted to send before there was a link is tx_dropped already."""
    taps, port, before = counters(guest, interface)
    guest.echo(count, **kwargs)
    taps_now, port_now, stats = counters(guest, interface)
    assert [n - b for n, b in zip(taps_now, taps)] == [n - b for n, b in zip(port_now, port)]
    assert stats["rx_errors"] == stats["tx_errors"] == 0
    assert stats["tx_dropped"] == before["tx_dropped"]
    return [n - b for n, b in zip(port_now, port)]


@pytest.mark.parametrize("options, path, without", [
    ("", "Split virtqueue mergeable path", ""),
    pytest.param("net.mrg_rxbuf=0", "Split virtqueue non-mergeable path",
                 "VIRTIO_NET_F_MRG_RXBUF", marks=soak),
    pytest.param("net.packed_vq=1 net0.queue_size=1024", "Split virtqueue mergeable path",
                 "VIRTIO_F_RING_PACKED", marks=soak),
])
def test_the_guests_own_udp_through_a_tap(vhost_net, options, path, without):
    guest = vhost_net(options)
    port = guest.json_lines("port")[0]
    assert port["path"] == path
    assert {"VIRTIO_F_VERSION_1", "VIRTIO_F_EVENT_IDX", "VIRTIO_F_INDIRECT_DESC"} <= set(
        port["features"])
    assert without not in port["features"]
    rx, tx = exchange(guest, 500)
    assert 500 <= rx <= 504 and 500 <= tx <= 504  # and ARP
    assert guest.end_ringzero() == 0
    guest.wait_sh("! ip link show tap7")


def test_pairs_of_queues_are_queues_of_the_tap(vhost_net):
    guest = vhost_net("net0.queues=4 net.rxq=2 net.txq=2")
    assert guest.json_lines("port")[0]["rxq"] == 2
    assert "VIRTIO_NET_F_MQ" in guest.json_lines("port")[0]["features"]
    for _ in range(8):  # from other ports, so by other queues
        guest.echo(50)
    for queue in (0, 1):
        guest.wait_stats(lambda s, q=queue: s["queue"] == q and s["rx_packets"] >= 50)


def test_it_sleeps_until_the_kernel_has_a_packet(vhost_net):
    guest = vhost_net("net.mode=interrupt")
    exchange(guest, 100)
    assert counters(guest, "tap7")[2]["interrupts"] >= 5


@soak
@one_kernel
def test_a_tap_that_is_there_is_attached_to(vhost_net, linux):
    linux.sh("tunctl -t tap8")
    guest = vhost_net(tap="tap8")
    guest.echo(100)
    assert guest.end_ringzero() == 0
    guest.wait_sh("ip link show tap8 | grep -v LOWER_UP | grep UP")  # it stays, without a carrier


@soak
@one_kernel
def test_the_kernel_names_the_tap(linux, vhost_net):
    linux.ringzero(f"net0.path=/dev/vhost-net {ADDRESS}")
    linux.wait_text("/dev/vhost-net: the interface is tap0")
    linux.sh("ip link show tap0")
    linux.wait_ready()


@one_kernel
def test_the_link_is_the_taps(vhost_net):
    guest = vhost_net()
    for word in ("down", "up", "down", "up"):
        start = len(guest.read())
        guest.sh(f"ip link set tap7 {word}")
        guest.wait_text(f"port 0: link {word}", after=start)
    exchange(guest, 50)


@one_kernel
def test_a_tap_that_is_deleted_comes_back(vhost_net):
    guest = vhost_net()
    guest.echo(100)
    guest.sh("ip link del tap7")
    guest.wait_text("tap7: the interface is gone")
    guest.wait_text("port 0: runs again, link down")
    start = len(guest.read())
    guest.sh("ip addr add 10.0.2.2/24 dev tap7 && ip link set tap7 up")
    guest.wait_text("port 0: link up", after=start)
    exchange(guest, 100)
    assert guest.end_ringzero() == 0


@one_kernel
def test_what_is_wrong_is_said(linux, vhost_net):
    for options, text in [
            ("net0.path=/dev/vhost-net net0.iface=0123456789abcdef", "1 to 15 characters"),
            ("net0.path=/dev/vhost-net net0.iface=lo", "lo: Invalid argument"),
            ("net0.path=/dev/vhost-vdpa-9", "/dev/vhost-vdpa-9: No such file or directory")]:
        linux.ringzero(options)
        linux.wait_text(text)
        assert linux.wait_text(r"linux: ringzero ended with (\d+)")[1] == "1"


@pytest.mark.parametrize("offloads, segments", [
    pytest.param("csum", 0, marks=soak), pytest.param("csum,lro", 0, marks=soak), ("csum,lro", 20)])
def test_offloads_are_the_interfaces(vhost_net, offloads, segments):
    tx = "csum,uso" if segments else "csum"
    guest = vhost_net(f"net.rx_offloads={offloads} net.tx_offloads={tx}")
    features = guest.json_lines("port")[0]["features"]
    assert {"VIRTIO_NET_F_CSUM", "VIRTIO_NET_F_GUEST_CSUM"} <= set(features)
    whole = "VIRTIO_NET_F_GUEST_USO4" in features and segments
    rx, _ = exchange(guest, 400, segments=segments)
    assert rx < 100 if whole else rx >= 400


@soak
@one_kernel
def test_asan_and_ubsan_find_nothing_with_vhost_net(vhost_net):
    guest = vhost_net("net.rx_offloads=csum,lro net0.queues=2", program="ringzero-asan")
    guest.echo(200)
    guest.sh("ip link del tap7")
    guest.wait_text("port 0: runs again, link down")
    assert guest.end_ringzero() == 0, guest.tail()


# ---- vhost-vdpa ----------------------------------------------------------------------------------

BUS = "/sys/bus/vdpa"


@pytest.fixture(scope="module", params=[
    pytest.param("newest", marks=pytest.mark.xdist_group("linux-vdpa"))])
def vdpa_linux(request):
    vdpa = next((p for p in map(Path, ("/sbin/vdpa", "/usr/sbin/vdpa")) if p.exists()), None)
    if not vdpa:
        pytest.skip("needs vdpa (package iproute2)")
    guest = LinuxGuest(request.param, ["vhost_iotlb", "vdpa", "vduse", "irqbypass", "vhost",
                                       "vhost_vdpa", "failover", "net_failover", "virtio_net",
                                       "virtio_vdpa"], [vdpa, ASAN])
    release = guest.sh("uname -r").strip()
    if tuple(map(int, re.findall(r"\d+", release)[:2])) < (6, 8):
        guest.close()
        pytest.skip(f"needs a kernel with VDUSE network devices, 6.8 or newer; the package sources "
                    f"have {release} (bookworm-backports: 6.12)")
    yield guest
    guest.close()


@pytest.fixture
def vdpa(vdpa_linux):
    """vdpa(options, switch=...) starts a process at one port of a switch whose other port is the
    guest's eth0; at the end no rule of the specification was broken."""
    guest = vdpa_linux

    def make(options="", switch="", **kwargs):
        guest.sh("rm -f /tmp/switch.status")
        guest.sh(f"(vhost-switch {switch} vduse:net0 vduse:net1 >/tmp/switch.log 2>&1; "
                 "echo $? >/tmp/switch.status) &")
        guest.wait_sh("grep ' ports' /tmp/switch.log")
        guest.sh("vdpa dev add name net0 mgmtdev vduse && vdpa dev add name net1 mgmtdev vduse")
        guest.sh(f"cd {BUS} && echo net1 >drivers/vhost_vdpa/unbind && "
                 "echo virtio_vdpa >devices/net1/driver_override && echo net1 >drivers_probe")
        guest.sh("echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6")
        guest.sh("ip addr add 10.0.2.2/24 dev eth0 && ip link set eth0 up")
        guest.path = "/dev/" + guest.sh(f"ls {BUS}/devices/net0 | grep vhost-vdpa").strip()
        guest.ringzero(f"net0.path={guest.path} {ADDRESS} {options}", **kwargs)
        guest.wait_ready()
        return guest
    yield make
    guest.sh("killall -9 ringzero ringzero-asan", status=None)
    guest.sh("vdpa dev del net0 && vdpa dev del net1 && killall vhost-switch")
    guest.wait_sh("[ -s /tmp/switch.status ]")
    guest.sh("cat /tmp/switch.log; [ $(cat /tmp/switch.status) = 0 ]")


@pytest.mark.parametrize("options, path", [
    ("", "Split virtqueue in-order mergeable path"),
    pytest.param("net.in_order=0", "Split virtqueue mergeable path", marks=soak),
    pytest.param("net.in_order=0 net.mrg_rxbuf=0", "Split virtqueue non-mergeable path",
                 marks=soak),
    pytest.param("net.packed_vq=1", "Packed virtqueue in-order mergeable path", marks=soak),
    pytest.param("net.packed_vq=1 net.in_order=0 net.mrg_rxbuf=0",
                 "Packed virtqueue non-mergeable path", marks=soak),
    pytest.param("net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1",
                 "Packed virtqueue vectorized Rx path", marks=soak),
])
def test_linux_and_ringzero_are_on_one_switch(vdpa, options, path):
    guest = vdpa(options)
    port = guest.json_lines("port")[0]
    assert port["path"] == path
    assert {"VIRTIO_F_ACCESS_PLATFORM", "VIRTIO_NET_F_MAC", "VIRTIO_NET_F_STATUS"} <= set(
        port["features"])
    rx, tx = exchange(guest, 500, "eth0")
    assert 500 <= rx <= 504 and 500 <= tx <= 504  # and ARP
    assert guest.end_ringzero() == 0


@soak
def test_a_device_outlives_its_process(vdpa):
    guest = vdpa()
    for _ in range(3):
        guest.echo(100)
        guest.sh("killall -9 ringzero")
        guest.wait_text("linux: ringzero ended with 137")
        guest.ringzero(f"net0.path={guest.path} {ADDRESS} net0.queue_size=4096")
        guest.wait_ready()
        assert guest.json_lines("port")[0]["rxd"] == 1024  # the device's number
    exchange(guest, 100, "eth0")


def test_a_device_is_for_one_process(vdpa):
    guest = vdpa()
    text = guest.sh(f"ringzero net0.path={guest.path} </dev/null", status=1)
    assert f"{guest.path}: Device or resource busy" in text
    guest.echo(100)


@pytest.mark.parametrize("lie", ["id_range", pytest.param("used_jump", marks=soak)])
def test_a_device_that_lies_is_reset(vdpa, lie):
    guest = vdpa(switch=f"-x 0:1:{lie}:20")
    guest.sh("udp_echo 10.0.2.15 7 100", status=None)
    guest.wait_text("port 0: runs again, link up")
    guest.echo(200)


@soak
def test_asan_and_ubsan_find_nothing_with_vdpa(vdpa):
    guest = vdpa("net.packed_vq=1", "-x 0:1:id_range:20", program="ringzero-asan")
    guest.sh("udp_echo 10.0.2.15 7 100", status=None)
    guest.wait_text("port 0: runs again, link up")
    guest.echo(200)
    assert guest.end_ringzero() == 0, guest.tail()
