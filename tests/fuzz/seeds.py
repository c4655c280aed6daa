#!/usr/bin/python3
"""Make the seed corpora: a short, sensible story for each corner that chance finds late.

    tests/fuzz/seeds.py     writes tests/fuzz/corpus/TARGET/NAME

The bytes are decisions in the order in which tests/fuzz/fuzz_TARGET.c reads them; change both
together. The files are kept in the tree so that `make fuzz` needs nothing but them.
"""

import pathlib
import struct

CORPUS = pathlib.Path(__file__).resolve().parent / "corpus"


def u16(value):
    return struct.pack("<H", value & 0xffff)


def u32(value):
    return struct.pack("<I", value & 0xffffffff)


# ---- vnet: the device ----------------------------------------------------------------------------

RX_QUEUE, TX_QUEUE = 0, 0x80
PACKED, IN_ORDER, MRG, LEGACY, ANY_LAYOUT, EVENT_IDX, INDIRECT = 1, 2, 4, 8, 16, 32, 64
GOOD, HEADER_ONLY, TOO_SHORT, FULL, TOO_LONG, ANY_LEN = range(6)
BATCH = 0x80
SOME, CSUM = 3, 32  # status and speed; checksums
CTRL, LRO_SWITCH, HASH = 1, 2, 4
VECTOR, AVX2, SSE = 1, 2, 4
RX_CSUM, RX_LRO, RX_VLAN, RX_HASH, TX_CSUM, TX_VLAN = 1, 2, 4, 8, 16, 32


def receive(n):
    return bytes([0, n])


def send(*shapes):
    return bytes([3, len(shapes), *shapes])


def device(queue, action, *args):
    return bytes([10, queue | action]) + b"".join(a if isinstance(a, bytes) else bytes([a])
                                                 for a in args)


def use(queue, how, buffers=1, length=GOOD, then=None):
    if then is None:
        return device(queue, 0, how, buffers, length)
    return device(queue, 0, how | 32, buffers, length, then)


NOW, ID_STAYS, LEN_STAYS = 16, 32, 64


def lie(queue, number, length=GOOD, buffers=1, how=NOW):
    return device(queue, 2, u16(number), how, length, buffers)


STOP = bytes([8])
SWITCH_LRO = bytes([9])
ANSWERED, REFUSED, LIED, SILENT = 0, 4, 2, 3
ONE, FIVE_SEGMENTS, TWENTY_SEGMENTS = 0, 3 + 8 * 4, 3 + 8 * 19

STORIES = {
    "work": receive(0) + use(RX_QUEUE, 3) + receive(8) + send(ONE, FIVE_SEGMENTS, TWENTY_SEGMENTS)
            + use(TX_QUEUE, 2) + send(ONE) * 8 + use(TX_QUEUE, 7) + STOP + use(RX_QUEUE, 1)
            + receive(4),
    "batch": (use(RX_QUEUE, BATCH | 3) + receive(2) + receive(9) + send(ONE, ONE, ONE)
              + use(TX_QUEUE, BATCH | 2) + send(ONE)) * 2,
    "merge": use(RX_QUEUE, 2, 3, FULL) + receive(5) + use(RX_QUEUE, 1, 9, FULL) + receive(5),
    "merge_long": use(RX_QUEUE, 2, 3, FULL, TOO_SHORT) + receive(5) + use(RX_QUEUE, 1, 2, FULL, FULL)
                  + receive(5),
    "lies": receive(0) + lie(RX_QUEUE, 1, TOO_LONG) + receive(3) + STOP + lie(RX_QUEUE, 0xffff)
            + receive(3) + send(ONE) + lie(TX_QUEUE, 1, how=NOW | 1) + send(ONE) + STOP,
    "words": device(TX_QUEUE, 4, u16(0x8001), 2) + send(ONE) * 3
             + device(RX_QUEUE, 4, u16(3), 1) + use(RX_QUEUE, 4, 1, HEADER_ONLY) + receive(9)
             + bytes([7 | 16]) + device(RX_QUEUE, 3, 3, u16(64), bytes(4)) + receive(2)
             + device(RX_QUEUE, 5, u16(9)) + receive(2),
}


# by eights, and what is not whole
EIGHTS = (receive(0) + use(RX_QUEUE, 31) + receive(64) + send(*[ONE] * 16) + use(TX_QUEUE, 31)
          + send(*[ONE] * 12, FIVE_SEGMENTS, ONE) + use(RX_QUEUE, 19) + receive(33)
          + use(TX_QUEUE, 31) + send(*[ONE] * 9)) * 2


def header(flags, gso, size, start, offset, hashed=0, kind=0):
    """What received packets say from now on, but for num_buffers."""
    return device(RX_QUEUE, 7 | 8, flags, gso, u16(54), u16(size), u16(start), u16(offset), u16(0),
                  u32(hashed), u16(kind), u16(0))


def port(rings=0, more=SOME, ctrl=0, sizes=(4, 4, 4), vec=0, offloads=0):
    """What the device is like, what the user wants, and how much memory there is."""
    return bytes([rings, more, 0, ctrl, *sizes]) + bytes(12) + bytes([vec, offloads, 200])


def vnet():
    kinds = {"split": 0, "packed": PACKED, "legacy": LEGACY, "legacy_any": LEGACY | ANY_LAYOUT}
    for kind, bits in kinds.items():
        for story, steps in STORIES.items():
            rings = bits | EVENT_IDX * (story in ("words", "batch")) | MRG * ("merge" in story)
            rings |= INDIRECT * (story == "work") | IN_ORDER * (story == "batch")
            yield f"{kind}_{story}", port(rings) + steps
    for name, isa in (("avx512", 0), ("avx2", AVX2), ("sse", SSE)):
        for ring, bits in (("split", INDIRECT), ("packed", PACKED | IN_ORDER)):
            for mrg in (0, MRG):
                head = port(bits | mrg, sizes=(20, 20, 4), vec=VECTOR | isa)
                yield f"{ring}_{name}{'_mrg' if mrg else ''}", head + EIGHTS
    # as an id the size of the ring is one too many
    for ring, bits, size in (("split", INDIRECT, 64), ("packed", PACKED | IN_ORDER, 21)):
        head = port(bits, sizes=(20, 20, 4), vec=VECTOR) + receive(0)
        yield f"{ring}_vec_id", (head + use(RX_QUEUE, 15) + lie(RX_QUEUE, size, how=LEN_STAYS | 5)
                                 + receive(16) + send(*[ONE] * 16) + use(TX_QUEUE, 15)
                                 + lie(TX_QUEUE, 2, how=LEN_STAYS | 6) + send(*[ONE] * 20) + STOP)
        yield f"{ring}_vec_len", (head + use(RX_QUEUE, 15) + lie(RX_QUEUE, 0, TOO_SHORT, how=ID_STAYS | 3)
                                  + receive(16) + use(RX_QUEUE, 15)
                                  + lie(RX_QUEUE, 0, TOO_LONG, how=ID_STAYS | 12) + receive(16)
                                  + send(*[ONE] * 16) + use(TX_QUEUE, 15)
                                  + lie(TX_QUEUE, size, how=LEN_STAYS | 6) + send(*[ONE] * 20)
                                  + send(ONE))
    # eight that it was not given; with 16 entries: ids beyond the last, and descriptors
    head = port(PACKED | IN_ORDER, sizes=(20, 15, 4), vec=VECTOR)
    yield "packed_vec_not_given", (head + send(ONE)
                                   + b"".join(lie(TX_QUEUE, i, how=NOW | i) for i in range(8))
                                   + send(ONE))
    ids = b"".join(lie(TX_QUEUE, 12 + i, how=NOW | i) for i in range(8))
    descs = b"".join(lie(TX_QUEUE, 4 + i, how=NOW | i) for i in range(4))
    descs += b"".join(device(TX_QUEUE, 3, 7, u16((16 + i) * 16 + 8), u32(0), u16(8 + i), u16(0x8080))
                      for i in range(4))
    for what, segs, more, lies in (("ids", 13, 11, ids), ("descs", 9, 3, descs)):
        yield f"packed_vec_{what}", (head + send(3 + 8 * (segs - 1)) + use(TX_QUEUE, 0)
                                     + send(*[ONE] * more) + use(TX_QUEUE, more - 1)
                                     + send(*[ONE] * 8) + lies + send(ONE) + send(*[ONE] * 8)
                                     + send(ONE))
    yield "vec_batch", (port(PACKED | IN_ORDER, sizes=(20, 20, 4), vec=VECTOR) + send(*[ONE] * 20)
                        + use(TX_QUEUE, BATCH | 31) + send(*[ONE] * 20) + STORIES["batch"])
    checksum = header(1, 0, 0, 34, 6)
    lro = header(1, 1, 1400, 34, 16)
    for ring, bits in (("split", MRG), ("packed", PACKED | MRG)):
        head = port(bits, SOME | CSUM | 64, CTRL | LRO_SWITCH, vec=VECTOR,
                    offloads=RX_CSUM | RX_LRO | RX_VLAN | TX_CSUM | TX_VLAN)
        yield f"{ring}_lro", (head + checksum + use(RX_QUEUE, 2) + receive(4) + lro
                              + use(RX_QUEUE, 2, 2, FULL) + receive(4) + bytes([3, 0xc2])
                              + SWITCH_LRO + bytes([ANSWERED]) + SWITCH_LRO + bytes([REFUSED])
                              + SWITCH_LRO + bytes([LIED]) + u16(1) + bytes([NOW, GOOD, 1]) + STOP)
        head = port(bits & ~MRG, ctrl=CTRL | HASH, vec=VECTOR, offloads=RX_HASH)
        hashed = header(0, 0, 0, 0, 0, 0x12345678, 1)
        for name, answer in (("answered", ANSWERED), ("silent", SILENT)):
            stats = bytes([10, answer | 8]) + u16(1) + bytes(6) + bytes([10 | 16, answer | 8]) + bytes(8)
            yield f"{ring}_stats_{name}", port(bits & ~MRG, ctrl=CTRL | 8 | 16) + stats + STOP
            yield f"{ring}_hash_{name}", (head + bytes([answer]) + hashed + use(RX_QUEUE, 9)
                                          + receive(20) + send(ONE, ONE) + use(TX_QUEUE, 2)
                                          + STOP + bytes([answer]) + receive(1))


# ---- vhost_user: the backend ---------------------------------------------------------------------

HONEST, LEAVE, SILENT, ANYTHING, OTHERWISE, LATE, REFUSE, CHANGE = 0, 1, 2, 3, 4, 6, 7, 8
GREETING, PROBE, START = 6, 7, 14  # messages


def poll(*answers, pause=5):
    """Time passes, the loop looks at the port; the messages that this leads to are answered so."""
    return bytes([pause << 3, *answers])


def act(what, *args):
    return bytes([6, what, *args])


def vhost_user():
    ring = bytes([0, 15, 0, 0])
    up = ring + bytes(GREETING + PROBE + START)
    news = poll(HONEST) + poll()
    again = poll(*bytes(PROBE + START)) + news
    yield "calm", up + (news + bytes([2, 5])) * 3 + bytes([3, 4]) + bytes(2 + PROBE + START) + news
    yield "leaves", up + act(4) + poll() + poll(*bytes(GREETING)) + again
    yield "absent", up + act(12) + poll() * 4 + act(0) + poll(*bytes(GREETING)) + again
    yield "rubbish", up + act(2, 9) + b"rubbish!!" + poll() + poll(*bytes(GREETING)) + again
    yield "needs_reset", up + act(1, 64) + news + poll(*bytes(4)) + again
    yield "link", up + (act(8) + bytes(16) + news * 2) * 2
    yield "silent", up + poll(SILENT) + poll(pause=31) * 3 + poll(*bytes(GREETING)) + again
    yield "late", up + poll(LATE) + u16(2900) + poll(pause=31) * 2 + news
    yield "refuses", up + bytes([3, 0, 0, 0, 4]) + bytes(PROBE + 3) + bytes([REFUSE]) + again
    yield "no_config", bytes([16, 15, 1, 0, 0]) + bytes(GREETING + PROBE + START) + news
    for n in range(0, GREETING + PROBE + START, 4):
        yield f"leaves_{n}", ring + bytes(n) + bytes([LEAVE])
        yield f"lies_{n}", ring + bytes(n) + bytes([OTHERWISE, 8]) + b"\xff" * 12
        yield f"cuts_{n}", ring + bytes(n) + bytes([OTHERWISE, 16, 13])


# ---- stack: the network --------------------------------------------------------------------------

STATIC, DHCP, OFF, NARROW = range(4)
ROUTER = 32
ARP, ICMP, UDP, DHCP_REPLY = 1, 2, 3, 4
TURN, SECOND = bytes([8]), bytes([1]) + u16(1)


def frame(kind, payload, *changes):
    return bytes([4, kind, len(changes) // 2, len(payload)]) + payload + bytes(changes)


def stack():
    echo = frame(UDP, b"hello")
    yield "arp", bytes([STATIC]) + frame(ARP, b"") + TURN + frame(ARP, b"", 21, 1) + TURN + SECOND
    yield "ping", bytes([STATIC]) + frame(ICMP, b"12345678") + TURN
    yield "echo", bytes([STATIC]) + echo + TURN + frame(ARP, b"") + TURN + echo + TURN
    yield "ports", (bytes([STATIC]) + frame(UDP, b"x", 37, 9) + frame(UDP, b"x", 37, 11)
                    + frame(UDP, b"x", 37, 99) + TURN)
    # no checksum, and lengths at the edge of what is allowed
    yield "lengths", (bytes([STATIC]) + frame(UDP | 64, b"abcd", 39, 8) + frame(UDP | 64, b"a", 39, 9)
                      + frame(UDP, b"a", 17, 28) + frame(ICMP, b"", 17, 28) + TURN)
    yield "fragment", bytes([STATIC]) + frame(UDP, b"x", 20, 0x20) + frame(UDP, b"x", 14, 0x46)
    options = bytes([53, 1, 2, 54, 4, 10, 0, 2, 2, 51, 4, 0, 0, 0, 60, 1, 4, 255, 255, 255, 0, 3, 4,
                     10, 0, 2, 2, 255])
    offer = frame(DHCP_REPLY, options)
    ack = frame(DHCP_REPLY, options.replace(b"\x35\x01\x02", b"\x35\x01\x05"))
    nak = frame(DHCP_REPLY, options.replace(b"\x35\x01\x02", b"\x35\x01\x06"))
    yield "dhcp", bytes([DHCP]) + TURN + offer + TURN + ack + TURN + bytes([1]) + u16(31) + ack
    yield "dhcp_nak", bytes([DHCP]) + TURN + offer + TURN + nak + TURN + SECOND + offer
    yield "off", bytes([OFF]) + echo + frame(DHCP_REPLY, options) + TURN
    far = frame(UDP, b"x", 30, 192, 31, 0, 32, 2, 33, 1)  # to 192.0.2.1
    yield "router", (bytes([STATIC | ROUTER]) + far + TURN + frame(ARP, b"", 31, 2) + TURN + far + TURN
                     + frame(UDP, b"x", 22, 1, 30, 192) + frame(UDP, b"x", 30, 172) + TURN + SECOND)
    yield "narrow", bytes([NARROW]) + frame(UDP, b"x", 29, 14) + bytes([2]) + TURN


# ---- options: the user ---------------------------------------------------------------------------

def options():
    lines = {
        "numbers": "n=70000 flag=0 big=0xffffffffffffffff n=2",
        "words": "word=three list=sse,avx2 text=a log=pci:debug,info",
        "ports": "net0.ip=10.0.2.15/24 net63.mtu=9000 net.gw=10.0.2.2 net64.mtu=1",
        "addresses": "mac=52:54:00:12:34:56 ip=255.255.255.255 net.mac=01:00:00:00:00:00",
        "wrong": "nett.mtu=1 word= =x net.ip=1.2.3.4/33 log=:: n=-1",
    }
    for name, line in lines.items():
        yield name, b"\x80" + line.encode()


# ---- console: the user, later --------------------------------------------------------------------

def console():
    key = "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"
    lines = {
        "rss": f"port config all rss udp\nport config 0 rss-hash-key ipv4-tcp {key}\nshow port 0 rss-hash key",
        "reta": "port config 0 rss reta (0,3),(127,1)\nshow port 0 rss reta 128 (0xff,8000000000000000)",
        "coalesce": "port config 1 coalesce rx all 32 100\nport config 0 coalesce tx 3 1 0\nshow port 0 coalesce",
        "filters": "set promisc all on\nmac_addr add 0 02:00:00:00:00:07\nrx_vlan add 4095 all\nshow port xstats 1",
        "frame": "\x80" + "x" * 10,
    }
    for name, line in lines.items():
        yield name, line.encode("latin-1")
    ipv6 = bytes(12) + b"\x81\x00\x00\x05\x86\xdd\x60" + bytes(5) + b"\x3c\x40" + bytes(32)
    yield "ipv6", b"\xff" + ipv6 + b"\x2b\x02\x01\x02\0\0\xc9\x10" + bytes(16) + b"\x11\x02\x02" + bytes(50)
    yield "ipv4", b"\xff" + bytes(12) + b"\x08\x00\x46\0\0\x2c" + bytes(5) + b"\x06" + bytes(40)


# ---- acpi: the firmware --------------------------------------------------------------------------

def table(kind, body):
    return bytes([kind, 36 + len(body)]) + body


def acpi():
    madt, fadt, mcfg, hpet, dsdt = 0, 1, 2, 3, 4
    cpus = u32(0xfee00000) + u32(1) + bytes([0, 8, 0, 0, 1, 0, 0, 0, 1, 12, 0, 0]) + \
        u32(0xfec00000) + u32(0) + bytes([2, 10, 0, 0, 2, 0, 0, 0, 0, 0])
    yield "madt", b"\x01" + table(madt, cpus)
    gicc = bytes([0x0b, 80]) + bytes(10) + u32(1) + bytes(16) + struct.pack("<Q", 0x8010000) + bytes(20) + \
        struct.pack("<QQ", 0x80a0000, 1) + bytes(4)
    gicd = bytes([0x0c, 24]) + bytes(6) + struct.pack("<Q", 0x8000000) + u32(0) + bytes([3, 0, 0, 0])
    yield "madt_arm", b"\x01" + table(madt, bytes(8) + gicd + gicc + gicc[:-12] + u32(2) + bytes(8))
    yield "madt_cut", b"\x00" + table(madt, cpus[:-3])
    yield "mcfg", b"\x01" + table(mcfg, bytes(8) + struct.pack("<QHBBI", 0xb0000000, 0, 0, 255, 0))
    yield "hpet", b"\x00" + table(hpet, u32(0) + bytes([0, 64, 0, 0]) +
                                  struct.pack("<Q", 0xfed00000) + bytes(4))
    ports = bytearray(244 - 36)
    ports[64 - 36:68 - 36] = u32(0x604)
    ports[76 - 36:80 - 36] = u32(0x608)
    s5 = bytes([0x08]) + b"_S5_" + bytes([0x12, 6, 4, 0x0a, 5, 0x0a, 5, 0, 0])
    yield "power", b"\x01" + table(dsdt, s5) + table(fadt, bytes(ports))


# ---- boot: the loader ----------------------------------------------------------------------------

def boot():
    at = 0x1000
    entries = struct.pack("<QQII", 0, 0x9fc00, 1, 0) + struct.pack("<QQII", 0x100000, 1 << 27, 1, 0)
    pvh = struct.pack("<IIIIQQQQII", 0x336ec578, 1, 0, 0, 0, at + 112, 0, at + 56, 2, 0)
    yield "pvh", b"\x00" + bytes(4) + pvh + entries + bytes(8) + b"app=sink\0"

    def tag(kind, body):
        return u32(kind) + u32(8 + len(body)) + body + bytes(-len(body) % 8)

    tags = tag(1, b"app=sink\0") + tag(6, u32(24) + u32(0) + entries) + \
        tag(15, b"RSD PTR " + bytes(28)) + tag(0, b"")
    yield "multiboot2", b"\x01" + bytes(4) + u32(8 + len(tags)) + u32(0) + tags
    yield "rsdp", b"\x03" + u16(0x100) + b"\x00" + b"RSD PTR " + bytes([0x1d]) + bytes(11)
    elf = bytearray(64 + 56)
    elf[:7] = b"\x7fELF\2\1\1"
    elf[18] = 62
    elf[32] = 64
    elf[54], elf[56] = 56, 1
    elf[64:120] = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x100000, 0x100000, 100, 200, 4096)
    yield "elf", b"\x04" + bytes(elf)
    yield "load_options", b"\x05\x01\x40" + "boot.efi app=sink\0".encode("utf-16-le")


# ---- pci: the bus --------------------------------------------------------------------------------

def pci():
    bar = bytes([14, 4]) + u16(0x30000 >> 8)  # 16 KiB in 64-bit space
    no_bar = bytes([0, 0])
    bars = no_bar * 4 + bar + no_bar
    capability = lambda kind, offset: bytes([20 + kind - 1]) + u16(offset) + u16(0x1000)
    caps = bytes([5]) + capability(1, 0) + capability(2, 0x3000) + capability(3, 0x1000) + \
        capability(4, 0x2000) + bytes([165, 3])
    registers = bytes([0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1] * 8)
    yield "modern", bytes([0x80, 9]) + bars + caps + b"\0" + registers
    legacy = bytes([6, 1]) + u16(0x300) + no_bar * 5
    yield "legacy", bytes([0x80, 8]) + legacy + b"\0\0" + registers
    yield "bridge", bytes([0x81, 7, 1, 2, 0, 0, 9]) + bars + caps + bytes([1, 0x41, 0x40])
    yield "loop", bytes([0x00, 9]) + bars + caps + bytes([2, 0x41, 0x40, 0x34, 0xff])


# ---- vhost_port: the front end -------------------------------------------------------------------

def vhost_port():
    calm = bytes(6)

    def bring_up(how, messages=bytes(3), rings=calm + calm, size=3):
        return bytes([0, how]) + messages + bytes([size]) + rings[:6] + bytes([size]) + rings[6:]

    def available(what, how=0xe0):
        return bytes([4, what, how])

    tx, chained, indirect, work, cut, leave = 1, 2, 4, bytes([6]), bytes([8, 0]), bytes([9])
    push = lambda length: bytes([7]) + u16(length - 14)
    receive = available(0) * 6 + push(60) + push(1514) + work + push(9000) + work * 2
    send = (available(tx) * 3 + work) * 3 + available(tx | chained) * 2 + available(tx) + work
    frame_in_table = bytes([3]) + u32(0x8000) + bytes([15]) + struct.pack("<QIHH", 0x20009000, 99, 0, 0)
    table = frame_in_table + available(tx | indirect, 2) + u32(16) + work
    kinds = {"split": 0, "split_mrg": 4, "split_all": 2 | 4 | 8 | 16 | 32, "packed": 1, "packed_mrg": 5,
             "packed_all": 63}
    for name, how in kinds.items():
        yield name, bring_up(how) + receive + send + table + bytes([1, 0]) + bring_up(how) + send
        yield f"{name}_cut", bring_up(how) + receive + cut + send + leave + bring_up(how) + send
    for name, num in (("position", 8), ("position_far", 0xffff)):
        base = bytes([0, 1]) + u32(0) + u32(num)
        yield name, bring_up(1, rings=base + calm[2:] + calm) + receive
    yield "size", bring_up(1, rings=bytes([1]) + u32(0) + u32(0x10000) + calm[1:] + calm) + receive
    yield "pieces", b"".join(bytes([2, n, 12]) + bytes([1, 0, 0, 0, 1]) for n in (0, 7, 11, 12)) + leave


def main():
    for stories in (vnet, vhost_user, vhost_port, stack, options, console, acpi, boot, pci):
        folder = CORPUS / stories.__name__
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.iterdir():
            old.unlink()
        total = 0
        for name, data in stories():
            (folder / name).write_bytes(data)
            total += len(data)
        print(f"{stories.__name__}: {len(list(folder.iterdir()))} seeds, {total} bytes")


if __name__ == "__main__":
    main()
