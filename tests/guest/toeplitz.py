"""Which hash, and so which queue, a frame has (virtio 5.1.9.4.3): a second opinion on devices and on our own
software. Frames are scapy's; addresses and ports come from its fields, not from offsets."""

import ipaddress

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import IPv6

USUAL_KEY = bytes.fromhex("6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa")
TABLE = 128

# bits of types, as testpmd names them
IPV4, TCPV4, UDPV4, IPV6_, TCPV6, UDPV6 = (1 << i for i in range(6))
NAMES = {"ip": IPV4 | IPV6_, "tcp": TCPV4 | TCPV6, "udp": UDPV4 | UDPV6,
         "ipv4": IPV4, "ipv4-tcp": TCPV4, "ipv4-udp": UDPV4,
         "ipv6": IPV6_, "ipv6-tcp": TCPV6, "ipv6-udp": UDPV6, "all": 0x3f, "none": 0}


def toeplitz(key, data):
    """Each bit of the data that is 1 adds 32 bits of the key, from its own place on."""
    key_bits = int.from_bytes(key, "big")
    width, n = 8 * len(key), 8 * len(data)
    bits = int.from_bytes(data, "big")
    total = 0
    for i in range(n):
        if bits >> (n - 1 - i) & 1:
            total ^= key_bits >> (width - 32 - i) & 0xffffffff
    return total


def hash_of(frame, types, key=USUAL_KEY):
    """The hash of a frame, None when it is of none of the types."""
    if IP in frame:
        addresses, alone, tcp, udp = frame[IP], IPV4, TCPV4, UDPV4
        whole = not (frame[IP].flags.MF or frame[IP].frag)
    elif IPv6 in frame:
        addresses, alone, tcp, udp, whole = frame[IPv6], IPV6_, TCPV6, UDPV6, True
    else:
        return None
    data = b"".join(ipaddress.ip_address(a).packed for a in (addresses.src, addresses.dst))
    for layer, of in ((TCP, tcp), (UDP, udp)):
        if whole and layer in frame and types & of:
            ports = frame[layer].sport.to_bytes(2, "big") + frame[layer].dport.to_bytes(2, "big")
            return toeplitz(key, data + ports)
    return toeplitz(key, data) if types & alone else None


def queue_of(frame, types, table, key=USUAL_KEY):
    """table: a list of queues, which is repeated as net.rss_reta is."""
    value = hash_of(frame, types, key)
    return 0 if value is None else table[value % TABLE % len(table)]
