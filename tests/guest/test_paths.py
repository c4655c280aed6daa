"""Every path of the driver by its name on QEMU's device, with frames of every size in both
directions: scalar code, vector code, and why vector code was refused."""

import pytest

from frames import FRAMES, WINDOW, exchange
from ringzero import ARCH, STATIC

# path, rx, tx, properties of the device
PATHS = [
    ("Split virtqueue mergeable path",
     "virtio_recv_mergeable_pkts", "virtio_xmit_pkts", ""),
    ("Split virtqueue non-mergeable path",
     "virtio_recv_pkts", "virtio_xmit_pkts", "mrg_rxbuf=off"),
    ("Split virtqueue in-order mergeable path",
     "virtio_recv_pkts_inorder", "virtio_xmit_pkts_inorder", "in_order=on"),
    ("Split virtqueue in-order non-mergeable path",
     "virtio_recv_pkts_inorder", "virtio_xmit_pkts_inorder", "in_order=on,mrg_rxbuf=off"),
    ("Packed virtqueue mergeable path",
     "virtio_recv_mergeable_pkts_packed", "virtio_xmit_pkts_packed", "packed=on"),
    ("Packed virtqueue non-mergeable path",
     "virtio_recv_pkts_packed", "virtio_xmit_pkts_packed", "packed=on,mrg_rxbuf=off"),
    ("Packed virtqueue in-order mergeable path",
     "virtio_recv_mergeable_pkts_packed", "virtio_xmit_pkts_packed", "packed=on,in_order=on"),
    ("Packed virtqueue in-order non-mergeable path",
     "virtio_recv_pkts_packed", "virtio_xmit_pkts_packed",
     "packed=on,in_order=on,mrg_rxbuf=off"),
]

VEC = {"x86_64": "avx2", "aarch64": "neon"}[ARCH]
SIMPLE_TX = "Split virtqueue simple Tx path"
PACKED_VEC_TX = "Packed virtqueue vectorized Tx path"

# path, rx, Tx path, tx, properties of the device; all with net.vectorized=1 and the code of VEC
VECTOR_PATHS = [
    ("Split virtqueue vectorized Rx path", "virtio_recv_pkts_vec",
     SIMPLE_TX, "virtio_xmit_pkts_simple", "mrg_rxbuf=off"),
    ("Split virtqueue mergeable path", "virtio_recv_mergeable_pkts",
     SIMPLE_TX, "virtio_xmit_pkts_simple", ""),
    ("Packed virtqueue vectorized Rx path", "virtio_recv_pkts_packed_vec",
     PACKED_VEC_TX, "virtio_xmit_pkts_packed_vec", "packed=on,in_order=on,mrg_rxbuf=off"),
    ("Packed virtqueue in-order mergeable path", "virtio_recv_mergeable_pkts_packed",
     PACKED_VEC_TX, "virtio_xmit_pkts_packed_vec", "packed=on,in_order=on"),
]

NO_MRG = "mrg_rxbuf negotiated"
NO_ORDER = "in_order not negotiated"
NO_CODE = "no vector instructions for this ring"

# properties, options, the path there is instead, its isa, why no vectorized Rx, why no vector Tx
REFUSALS = [
    ("", "", "Split virtqueue mergeable path", VEC, NO_MRG, None),
    ("in_order=on", "", "Split virtqueue in-order mergeable path", "scalar",
     NO_MRG, "in_order negotiated"),
    ("in_order=on,mrg_rxbuf=off", "", "Split virtqueue in-order non-mergeable path", "scalar",
     "in_order negotiated", "in_order negotiated"),
    ("packed=on", "", "Packed virtqueue mergeable path", "scalar", NO_MRG, NO_ORDER),
    ("packed=on,mrg_rxbuf=off", "", "Packed virtqueue non-mergeable path", "scalar",
     NO_ORDER, NO_ORDER),
    ("packed=on,in_order=on", "", "Packed virtqueue in-order mergeable path", VEC, NO_MRG, None),
    ("packed=on,in_order=on,mrg_rxbuf=off", "isa=sse",
     "Packed virtqueue in-order non-mergeable path", "scalar", NO_CODE, NO_CODE),
    ("mrg_rxbuf=off", "isa=scalar", "Split virtqueue non-mergeable path", "scalar",
     NO_CODE, NO_CODE),
    ("mrg_rxbuf=off,indirect_desc=off", "", "Split virtqueue vectorized Rx path", VEC,
     None, "indirect_desc not negotiated"),
]

def check_counters(guest, frames=FRAMES):
    stats = guest.wait_stats(lambda s: min(s["tx_packets"], s["rx_packets"]) >= frames)
    assert stats["rx_errors"] == stats["tx_errors"] == stats["tx_dropped"] == 0


@pytest.mark.parametrize("event_idx", ["on", "off"])
@pytest.mark.parametrize("path,rx,tx,props", PATHS, ids=[p[0] for p in PATHS])
def test_echoes_frames_of_every_size(serve, needs_property, path, rx, tx, props, event_idx):
    needs_property(*(p.split("=")[0] for p in props.split(",") if p))
    guest = serve(f"{props},event_idx={event_idx}")
    port = guest.json_lines("port")[0]
    assert (port["path"], port["rx"], port["tx"]) == (path, rx, tx)
    exchange(guest.peer())
    check_counters(guest)


def needs_row(needs_property, props):
    needs_property(*(p.split("=")[0] for p in props.split(",") if p))


@pytest.mark.parametrize("event_idx", ["on", "off"])
@pytest.mark.parametrize("path,rx,tx_path,tx,props", VECTOR_PATHS, ids=[p[0] for p in VECTOR_PATHS])
def test_vector_code_echoes_frames_of_every_size(serve, needs_property, path, rx, tx_path, tx, props,
                                                 event_idx):
    needs_row(needs_property, props)
    guest = serve(f"{props},event_idx={event_idx}", options=f"{STATIC} net.vectorized=1")
    port = guest.json_lines("port")[0]
    assert (port["path"], port["rx"], port["tx_path"], port["tx"], port["isa"]) == (
        path, rx, tx_path, tx, VEC)
    exchange(guest.peer())
    check_counters(guest)


@pytest.mark.parametrize("props,options,path,isa,why_rx,why_tx", [
    pytest.param(*r, id=f"{r[0]} {r[1]}", marks=[pytest.mark.soak] if i % 2 else [])
    for i, r in enumerate(REFUSALS)])
def test_a_refusal_of_vector_code_names_its_reason(serve, needs_property, props, options, path, isa,
                                                   why_rx, why_tx):
    needs_row(needs_property, props)
    guest = serve(props, options=f"{STATIC} net.vectorized=1 {options}")
    port = guest.json_lines("port")[0]
    assert (port["path"], port["isa"]) == (path, isa)
    said = [line.split("port 0: ")[1] for line in guest.read() if " disabled: " in line]
    reasons = (("Rx", why_rx), ("Tx", why_tx))
    assert said == [f"vectorized {way} disabled: {why}" for way, why in reasons if why]
    assert ("tx_path" in port) == (why_tx is None)
    exchange(guest.peer(), 300)
    check_counters(guest, 300)


def test_without_the_option_there_is_no_vector_code(serve):
    guest = serve("mrg_rxbuf=off")
    port = guest.json_lines("port")[0]
    assert (port["rx"], port["isa"], "tx_path" in port) == ("virtio_recv_pkts", "scalar", False)
    assert not [line for line in guest.read() if "vectorized" in line]


# what the processor has and its operating system has switched on; what the options leave of it
PROCESSORS = {
    "x86_64": [
        ("max", "auto", "avx2"), ("max", "avx512", "avx2"), ("max", "avx2", "avx2"),
        ("max", "sse", "sse"), ("max", "scalar", "scalar"), ("max", "neon", "scalar"),
        ("max,avx2=off", "auto", "sse"), ("max,xsave=off", "auto", "sse"),
        ("qemu64", "auto", "scalar"), ("Nehalem", "avx2", "sse"),
    ],
    "aarch64": [
        ("max", "auto", "neon"), ("max", "neon", "neon"), ("max", "scalar", "scalar"),
        ("max", "avx2", "scalar"), ("cortex-a57", "auto", "neon"),
    ],
}[ARCH]


@pytest.mark.parametrize("cpu,option,isa", [
    pytest.param(*p, marks=[pytest.mark.soak] if i % 2 else []) for i, p in enumerate(PROCESSORS)])
def test_vector_code_is_what_the_processor_has_up_to_the_isa_option(serve, cpu, option, isa):
    guest = serve("mrg_rxbuf=off", cpu=cpu, options=f"{STATIC} net.vectorized=1 isa={option}")
    assert guest.json_lines("port")[0]["isa"] == isa
    exchange(guest.peer(), 200)
    check_counters(guest, 200)


@pytest.mark.parametrize("props", ["packed=on,indirect_desc=off", "in_order=on,indirect_desc=off",
                                   "packed=on,rx_queue_size=1024,tx_queue_size=256",
                                   "packed=on,vectors=0", "packed=on,iommu_platform=on,"
                                   "disable-legacy=on"])
def test_other_options_of_the_device(serve, needs_property, props):
    needs_property(*(p.split("=")[0] for p in props.split(",")))
    guest = serve(props)
    exchange(guest.peer(), 500)
    check_counters(guest, 500)


@pytest.mark.parametrize("rxd,txd", [(5, 7), (100, 255), (1, 1)])
def test_packed_rings_of_any_size(serve, needs_property, rxd, txd):
    needs_property("packed")
    guest = serve("packed=on,rx_queue_size=512,tx_queue_size=256",
                  options=f"{STATIC} net.rxd={rxd} net.txd={txd}")
    port = guest.json_lines("port")[0]
    assert (port["rxd"], port["txd"]) == (rxd, txd)
    exchange(guest.peer(), 500, min(rxd, txd, WINDOW))


@pytest.mark.parametrize("rxd,txd", [(5, 7), (8, 8), (100, 255), (257, 33)])
def test_vector_code_on_packed_rings_of_any_size(serve, needs_property, rxd, txd):
    needs_property("packed", "in_order")
    guest = serve("packed=on,in_order=on,mrg_rxbuf=off,rx_queue_size=512,tx_queue_size=256",
                  options=f"{STATIC} net.vectorized=1 net.rxd={rxd} net.txd={txd}")
    port = guest.json_lines("port")[0]
    assert (port["rxd"], port["txd"], port["isa"]) == (rxd, txd, VEC)
    exchange(guest.peer(), 500, min(rxd, txd, WINDOW))


@pytest.mark.parametrize("options,path", [
    ("net.packed_vq=0", "Split virtqueue in-order mergeable path"),
    ("net.in_order=0", "Packed virtqueue mergeable path"),
    ("net.packed_vq=0 net.in_order=0", "Split virtqueue mergeable path"),
    ("net0.packed_vq=0 net.mrg_rxbuf=0", "Split virtqueue in-order non-mergeable path"),
])
def test_the_driver_can_refuse_packed_rings_and_order(serve, needs_property, options, path):
    needs_property("packed", "in_order")
    guest = serve("packed=on,in_order=on", options=f"{STATIC} {options}")
    assert guest.json_lines("port")[0]["path"] == path
    exchange(guest.peer(), 100)
