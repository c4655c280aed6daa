"""app=testpmd against DPDK: the same frames go through DPDK's testpmd on virtio-user and through
ours, and must come back the same."""

import struct

import pytest
from frames import ethernet, icmp_echo, ipv4, mac_bytes, udp
from hosted import ASAN, HOSTED, LIMIT, Testpmd
from ringzero import wait_until

US, PEER, MAC = "192.0.2.1", "198.51.100.9", "02:00:00:00:aa:01"
SOURCE = "02:00:00:00:bb:02"
SIZES = [0, 18, 100, 1000, 1400]


def frames():
    """Of every kind that a mode knows, and some that none knows; each can be told by its tail."""
    def tailed(n, f):
        return f.ljust(60, b"\0") + struct.pack("!I", n)

    made = []
    for size in SIZES:
        data = bytes(i & 0xff for i in range(size))
        made.append(ethernet(MAC, SOURCE, 0x800, ipv4(US, PEER, 17, udp(US, PEER, 7, 9, data))))
        made.append(ethernet(MAC, SOURCE, 0x800, ipv4(US, PEER, 6, udp(US, PEER, 7, 9, data))))
        made.append(ethernet(MAC, SOURCE, 0x800, ipv4(US, PEER, 1, icmp_echo(8, 1, 2, data))))
        made.append(ethernet(MAC, SOURCE, 0x800, ipv4(US, PEER, 1, icmp_echo(0, 1, 2, data))))
        made.append(ethernet(MAC, SOURCE, 0x86dd, struct.pack(
            "!IHBB16s16sHHHH", 6 << 28, size + 8, 17, 64, bytes(range(16)), bytes(range(16, 32)),
            11, 12, size + 8, 0) + data))
    for op in (1, 2):
        made.append(ethernet("ff:ff:ff:ff:ff:ff", SOURCE, 0x806, struct.pack(
            "!HHBBH6s4s6s4s", 1, 0x800, 6, 4, op, mac_bytes(SOURCE), b"\x01\x02\x03\x04", bytes(6),
            b"\x05\x06\x07\x08")))
    made.append(ethernet(MAC, SOURCE, 0x88b5, b"something else"))
    return [tailed(n, f) for n, f in enumerate(made)]


def passed(peer, sent, expected=None):
    """What comes back of these frames, in order, after the service was seen; when so many have come as
    are expected, others are waited for only briefly."""
    probe = ethernet(MAC, SOURCE, 0x806, struct.pack(
        "!HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, mac_bytes(SOURCE), b"\x01\x02\x03\x04", bytes(6),
        b"\x05\x06\x07\x08")).ljust(60, b"\0") + b"probe"

    def probed():
        peer.send(probe)
        return peer.next(lambda f: f.endswith(b"probe"), 0.2)
    wait_until(probed, LIMIT, "a frame that comes back")
    wait_until(lambda: peer.next(lambda f: f.endswith(b"probe"), 0.3) is None, LIMIT, "silence")
    for f in sent:
        peer.send(f)
    found = []
    while (f := peer.next(lambda f: f[12:14] != b"\x86\xdd" or bytes(range(8)) in f,
                          0.2 if len(found) == expected else 1)) is not None:
        found.append(f)
    return found


# path: devargs of DPDK's virtio-user, options of ours
ROWS = {
    "split": ("in_order=0", "net.in_order=0"),
    "split_plain": ("in_order=0,mrg_rxbuf=0", "net.in_order=0 net.mrg_rxbuf=0"),
    "split_in_order": ("", ""),
    "split_in_order_plain": ("mrg_rxbuf=0", "net.mrg_rxbuf=0"),
    "split_vec": ("in_order=0,mrg_rxbuf=0,vectorized=1",
                  "net.in_order=0 net.mrg_rxbuf=0 net.vectorized=1"),
    "packed": ("packed_vq=1,in_order=0", "net.packed_vq=1 net.in_order=0"),
    "packed_plain": ("packed_vq=1,in_order=0,mrg_rxbuf=0",
                     "net.packed_vq=1 net.in_order=0 net.mrg_rxbuf=0"),
    "packed_in_order": ("packed_vq=1", "net.packed_vq=1"),
    "packed_in_order_plain": ("packed_vq=1,mrg_rxbuf=0", "net.packed_vq=1 net.mrg_rxbuf=0"),
    "packed_vec": ("packed_vq=1,mrg_rxbuf=0,vectorized=1",
                   "net.packed_vq=1 net.mrg_rxbuf=0 net.vectorized=1"),
}
MODES = {"io": "split_in_order", "macswap": "packed_vec", "5tswap": "packed_in_order",
         "icmpecho": "split_vec"}  # and mac with all


@pytest.mark.parametrize("mode,row", [*MODES.items(), *(
    pytest.param("mac", row, marks=[pytest.mark.soak] if i % 2 else []) for i, row in enumerate(ROWS))])
def test_does_what_dpdk_does(start, wire, peer, tmp_path, mode, row):
    sent = frames()
    devargs, options = ROWS[row]
    dpdk = Testpmd(tmp_path / "unused", forward=mode,
                   vdev=f"net_virtio_user0,path={wire.socket},queues=1,mac={MAC},{devargs}")
    try:
        theirs = passed(peer, sent)
    finally:
        dpdk.close()
    process = start(f"net0.path={wire.socket} net0.mac={MAC} app=testpmd fwd={mode} {options}",
                    program=ASAN)
    process.wait_ready()
    ours = passed(peer, sent, len(theirs))
    assert len(theirs) == (len(SIZES) + 1 if mode == "icmpecho" else len(sent))
    assert ours == theirs


def test_a_port_of_tx_first_keeps_packets_going(start, testpmd):
    """Both sides send on what they get: what tx_first made goes round and round, and none is lost."""
    backend = testpmd(forward="mac")
    process = start(f"net0.path={backend.socket} net0.queue_size=256 app=testpmd fwd=mac "
                    "tx_first=2 fwd_retry=1", program=HOSTED)
    process.wait_ready()
    last = process.wait_stats(lambda s: s["rx_packets"] > 10000, limit=LIMIT)
    assert last["tx_packets"] >= last["rx_packets"] - 64
    assert last["tx_dropped"] == last["tx_errors"] == last["rx_errors"] == 0
    assert last["cycles_per_packet"] > 0


def test_between_two_backends(start, testpmd):
    backends = [testpmd(name, forward="rxonly" if n else "txonly") for n, name in enumerate("ab")]
    process = start(" ".join(f"net{n}.path={b.socket}" for n, b in enumerate(backends))
                    + " app=testpmd", program=HOSTED)
    process.wait_ready()
    # far more than fit into the ring, so the backend took them
    stats = process.wait_stats(lambda s: s["tx_packets"] > 10000, port=1, limit=LIMIT)
    assert process.fresh_stats(0)["rx_packets"] >= stats["tx_packets"]
