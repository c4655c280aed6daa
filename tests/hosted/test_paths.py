"""Every path of the driver by its name against DPDK's net_vhost, with frames of every size in both
directions."""

import pytest
from frames import payload_of
from hosted import ASAN, FRAMES, HOSTED, exchange, processor, wait_served
from ringzero import STATIC

SPLIT, ORDER, MRG = "net.packed_vq=0", "net.in_order=0", "net.mrg_rxbuf=0"
PACKED, VEC = "net.packed_vq=1", "net.vectorized=1"

# path, rx, tx, isa, options; isa None: scalar
ROWS = [
    ("Split virtqueue mergeable path", "virtio_recv_mergeable_pkts", "virtio_xmit_pkts",
     None, [ORDER]),
    ("Split virtqueue non-mergeable path", "virtio_recv_pkts", "virtio_xmit_pkts",
     None, [ORDER, MRG]),
    ("Split virtqueue in-order mergeable path", "virtio_recv_pkts_inorder",
     "virtio_xmit_pkts_inorder", None, []),
    ("Split virtqueue in-order non-mergeable path", "virtio_recv_pkts_inorder",
     "virtio_xmit_pkts_inorder", None, [MRG]),
    ("Split virtqueue vectorized Rx path", "virtio_recv_pkts_vec", "virtio_xmit_pkts_simple",
     "avx2", [ORDER, MRG, VEC]),
    ("Split virtqueue vectorized Rx path", "virtio_recv_pkts_vec", "virtio_xmit_pkts_simple",
     "sse", [ORDER, MRG, VEC, "isa=sse"]),
    ("Packed virtqueue mergeable path", "virtio_recv_mergeable_pkts_packed",
     "virtio_xmit_pkts_packed", None, [PACKED, ORDER]),
    ("Packed virtqueue non-mergeable path", "virtio_recv_pkts_packed", "virtio_xmit_pkts_packed",
     None, [PACKED, ORDER, MRG]),
    ("Packed virtqueue in-order mergeable path", "virtio_recv_mergeable_pkts_packed",
     "virtio_xmit_pkts_packed", None, [PACKED]),
    ("Packed virtqueue in-order non-mergeable path", "virtio_recv_pkts_packed",
     "virtio_xmit_pkts_packed", None, [PACKED, MRG]),
    ("Packed virtqueue vectorized Rx path", "virtio_recv_pkts_packed_vec",
     "virtio_xmit_pkts_packed_vec", "avx512", [PACKED, MRG, VEC]),
    ("Packed virtqueue vectorized Rx path", "virtio_recv_pkts_packed_vec",
     "virtio_xmit_pkts_packed_vec", "avx2", [PACKED, MRG, VEC, "isa=avx2"]),
    ("Packed virtqueue in-order mergeable path", "virtio_recv_mergeable_pkts_packed",
     "virtio_xmit_pkts_packed_vec", "avx512", [PACKED, VEC]),
]

FLAGS = {"sse": {"sse4_2", "ssse3"}, "avx2": {"avx2"},
         "avx512": {"avx512f", "avx512bw", "avx512vl", "avx512dq"}}


ROW_NAMES = [f"{r[0]} {r[3] or ''}".strip() for r in ROWS]


def row_options(row):
    """As words; skips where the processor lacks what the row needs."""
    path, _, _, isa, options = row
    if isa and FLAGS[isa] - processor():
        pytest.skip(f"needs a processor with {isa}")
    return " ".join(options + (["isa=avx2"] if isa == "avx2" and path.startswith("Split") else []))


def check_counters(process, frames=FRAMES, may_drop=False):
    stats = process.wait_stats(lambda s: min(s["rx_packets"], s["tx_packets"]) >= frames)
    assert stats["rx_errors"] == stats["tx_errors"] == 0
    assert may_drop or stats["tx_dropped"] == 0


def serve(start, wire, peer, options, program=HOSTED):
    """A process that the peer has had an answer from."""
    process = start(f"net0.path={wire.socket} {STATIC} {options}", program=program)
    process.wait_ready()
    peer.guest_mac = process.json_lines("port")[0]["mac"]
    wait_served(peer)
    return process


@pytest.mark.parametrize("program", [HOSTED, ASAN], ids=["plain", "asan"])
@pytest.mark.parametrize("row", ROWS, ids=ROW_NAMES)
def test_echoes_frames_of_every_size(start, wire, peer, row, program):
    path, rx, tx, isa, _ = row
    process = serve(start, wire, peer, row_options(row), program)
    port = process.json_lines("port")[0]
    assert (port["path"], port["rx"], port["tx"]) == (path, rx, tx)
    assert (port["transport"], port["isa"]) == ("user", isa or "scalar")
    exchange(peer)
    check_counters(process)


@pytest.mark.parametrize("options,rxd", [
    ("net.queue_size=64", 64), ("net.queue_size=1024", 1024), ("net.queue_size=32768", 32768),
    ("net.packed_vq=1 net.queue_size=257", 257), ("net.packed_vq=1 net.queue_size=32768", 32768),
    ("net.queue_size=300", 256)])
def test_rings_of_any_size(start, wire, peer, options, rxd):
    process = serve(start, wire, peer, options)
    port = process.json_lines("port")[0]
    assert (port["rxd"], port["txd"]) == (rxd, rxd)
    exchange(peer, 300)
    check_counters(process, 300)


# net_vhost 22.11 puts nothing into a mergeable ring of one: it tries one buffer less than there are.
# What finds the ring full is dropped there, so not every frame need come back.
@pytest.mark.parametrize("options,rxd", [
    ("net0.queue_size=1 net.mrg_rxbuf=0", 1), ("net.queue_size=2", 2),
    ("net.packed_vq=1 net.queue_size=1 net.mrg_rxbuf=0", 1),
    ("net.packed_vq=1 net.queue_size=5", 5)])
def test_the_smallest_rings(start, wire, peer, options, rxd):
    process = serve(start, wire, peer, options)
    port = process.json_lines("port")[0]
    assert (port["rxd"], port["txd"]) == (rxd, rxd)
    back = sum(peer.echo(payload_of(n), sport=50000 + n, limit=1) for n in range(100))
    assert back >= 90
    check_counters(process, back, may_drop=True)


def test_the_options_of_virtio_user(start, wire, peer):
    process = serve(start, wire, peer, "net0.mac=02:00:00:00:00:07 net.mtu=1400 net.speed=25000")
    port = process.json_lines("port")[0]
    assert (port["mac"], port["mtu"], port["speed"]) == ("02:00:00:00:00:07", 1400, 25000)
    assert "VIRTIO_NET_F_MTU" in port["features"]
    assert "VIRTIO_F_RING_PACKED" not in port["features"]
    assert peer.echo(b"hello")
