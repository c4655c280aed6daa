"""The kernel's own back ends, in a Linux guest: vhost-net with a tap, whose other side is the guest's
own network stack, and vhost-vdpa.

One guest for all tests of a kernel; each test begins with no process and no interface.
"""

import pytest
from linux import LinuxGuest

ADDRESS = "net.ip=10.0.2.15/24"
VHOST_NET = ["tun", "tap", "vhost_iotlb", "vhost", "vhost_net"]


@pytest.fixture(scope="module", params=[
    pytest.param(which, marks=pytest.mark.xdist_group(f"linux-{which}"))
    for which in ("release", "newest")])
def linux(request):
    guest = LinuxGuest(request.param, VHOST_NET)
    yield guest
    guest.close()


@pytest.fixture
def vhost_net(linux):
    """vhost_net(options, tap=...) starts a process at vhost-net and sets the interface up."""
    def make(options="", tap="tap7"):
        linux.ringzero(f"net0.path=/dev/vhost-net net0.iface={tap} {ADDRESS} {options}")
        linux.wait_ready()
        linux.sh(f"echo 1 >/proc/sys/net/ipv6/conf/{tap}/disable_ipv6")
        linux.sh(f"ip addr add 10.0.2.2/24 dev {tap} && ip link set {tap} up")
        linux.wait_text("port 0: link up")
        return linux
    yield make
    linux.sh("killall -9 ringzero", status=None)
    linux.wait_text("linux: ringzero ended with")
    linux.sh("for i in tap7 tap8; do ip link del $i 2>/dev/null; done", status=None)


def counters(guest, tap="tap7"):
    """Packets to ringzero and from it, as the interface and as the port has counted them."""
    own = guest.fresh_stats()
    taps = [int(guest.sh(f"cat /sys/class/net/{tap}/statistics/{name}_packets"))
            for name in ("tx", "rx")]
    return taps, [own["rx_packets"], own["tx_packets"]], own


def exchange(guest, count, **kwargs):
    """Every datagram comes back as it was; both sides count the same, and no fault."""
    taps, port, _ = counters(guest)
    guest.echo(count, **kwargs)
    taps_now, port_now, stats = counters(guest)
    assert [n - b for n, b in zip(taps_now, taps)] == [n - b for n, b in zip(port_now, port)]
    assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0
    return [n - b for n, b in zip(port_now, port)]


@pytest.mark.parametrize("options, path, without", [
    ("", "Split virtqueue mergeable path", ""),
    ("net.mrg_rxbuf=0", "Split virtqueue non-mergeable path", "VIRTIO_NET_F_MRG_RXBUF"),
    ("net.packed_vq=1 net0.queue_size=1024", "Split virtqueue mergeable path",
     "VIRTIO_F_RING_PACKED"),
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


def test_a_tap_that_is_there_is_attached_to(vhost_net, linux):
    linux.sh("tunctl -t tap8")
    guest = vhost_net(tap="tap8")
    guest.echo(100)
    assert guest.end_ringzero() == 0
    guest.wait_sh("ip link show tap8 | grep -v LOWER_UP | grep UP")  # it stays, without a carrier


def test_the_kernel_names_the_tap(linux, vhost_net):
    linux.ringzero(f"net0.path=/dev/vhost-net {ADDRESS}")
    linux.wait_text("/dev/vhost-net: the interface is tap0")
    linux.sh("ip link show tap0")
    linux.wait_ready()


def test_the_link_is_the_taps(vhost_net):
    guest = vhost_net()
    for word in ("down", "up", "down", "up"):
        start = len(guest.read())
        guest.sh(f"ip link set tap7 {word}")
        guest.wait_text(f"port 0: link {word}", after=start)
    exchange(guest, 50)


def test_a_tap_that_is_deleted_comes_back(vhost_net):
    guest = vhost_net()
    guest.echo(100)
    guest.sh("ip link del tap7")
    guest.wait_text("tap7: the interface is gone")
    guest.wait_text("port 0: runs again, link down")
    guest.sh("ip addr add 10.0.2.2/24 dev tap7 && ip link set tap7 up")
    guest.wait_text("port 0: link up", after=len(guest.read()))
    exchange(guest, 100)
    assert guest.end_ringzero() == 0


def test_what_is_wrong_is_said(linux, vhost_net):
    for options, text in [
            ("net0.path=/dev/vhost-net net0.iface=0123456789abcdef", "1 to 15 characters"),
            ("net0.path=/dev/vhost-net net0.iface=lo", "lo: Invalid argument"),
            ("net0.path=/dev/vhost-vdpa-9", "/dev/vhost-vdpa-9: No such file or directory")]:
        linux.ringzero(options)
        linux.wait_text(text)
        assert linux.wait_text(r"linux: ringzero ended with (\d+)")[1] == "1"


@pytest.mark.parametrize("offloads, segments", [("csum", 0), ("csum,lro", 0), ("csum,lro", 20)])
def test_offloads_are_the_interfaces(vhost_net, offloads, segments):
    tx = "csum,uso" if segments else "csum"
    guest = vhost_net(f"net.rx_offloads={offloads} net.tx_offloads={tx}")
    features = guest.json_lines("port")[0]["features"]
    assert {"VIRTIO_NET_F_CSUM", "VIRTIO_NET_F_GUEST_CSUM"} <= set(features)
    whole = "VIRTIO_NET_F_GUEST_USO4" in features and segments
    rx, _ = exchange(guest, 400, segments=segments)
    assert rx < 100 if whole else rx >= 400
