"""A vhost-user backend in Python, without packets: answers as it should, but where a test wants it
otherwise."""

import socket
import struct
import threading
import time

GET_FEATURES, SET_FEATURES, SET_MEM_TABLE, SET_VRING_KICK = 1, 2, 5, 12
GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, SET_STATUS, GET_STATUS = 15, 17, 39, 40
GET_VRING_BASE, NET_SET_MTU, GET_CONFIG, RESET_DEVICE = 11, 20, 24, 34
QUESTIONS = {GET_FEATURES, GET_PROTOCOL_FEATURES, GET_QUEUE_NUM, GET_STATUS, GET_VRING_BASE,
             GET_CONFIG}
VERSION_1, PROTOCOL_FEATURES, MRG_RXBUF = 1 << 32, 1 << 30, 1 << 15
INDIRECT_DESC, EVENT_IDX = 1 << 28, 1 << 29
NET_MTU, NET_MAC, NET_STATUS, NET_SPEED_DUPLEX = 1 << 3, 1 << 5, 1 << 16, 1 << 63
FEATURES = VERSION_1 | PROTOCOL_FEATURES | MRG_RXBUF
NET_MQ = 1 << 22
P_MQ, P_REPLY_ACK, P_NET_MTU, P_CONFIG = 1 << 0, 1 << 3, 1 << 4, 1 << 9
P_RESET_DEVICE, P_STATUS = 1 << 13, 1 << 16
PROTOCOL = P_REPLY_ACK | P_STATUS
NEED_REPLY = 8
NAMES = {GET_FEATURES: "GET_FEATURES", GET_PROTOCOL_FEATURES: "GET_PROTOCOL_FEATURES",
         SET_FEATURES: "SET_FEATURES", SET_MEM_TABLE: "SET_MEM_TABLE",
         SET_VRING_KICK: "SET_VRING_KICK", SET_STATUS: "SET_STATUS", GET_STATUS: "GET_STATUS"}


def reply(request, payload, flags=5, size=None):
    return struct.pack("<III", request, flags, len(payload) if size is None else size) + payload


class Backend:
    """Answers as a backend should, but for one request, to which it does what `fault` says.

    fault(connection, request) gets the connection; the backend goes on afterwards if it is open.
    config: the device configuration; for what goes beyond its end it answers with nothing.
    pairs: queue pairs, with P_MQ
    connects: to a server at the path, again and again; else it listens there
    """

    def __init__(self, path, at=None, fault=None, features=FEATURES, protocol=PROTOCOL, config=b"",
                 pairs=1, connects=False):
        self.at, self.fault, self.features, self.protocol = at, fault, features, protocol
        self.config, self.pairs = config, pairs
        self.connections, self.status, self.accepted, self.seen, self.mtu = 0, 0, 0, [], None
        self.path, self.listener = str(path), None
        if not connects:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.path)
            self.listener.listen(4)
        self.ended = False
        self.current = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ended:
            try:
                self.current = self.listener.accept()[0] if self.listener else self.connect()
            except OSError:
                if self.listener:
                    return
                time.sleep(0.02)
                continue
            self.connections += 1
            try:
                if not self.ended:
                    self.serve(self.current)
            except (OSError, ValueError, struct.error):
                pass
            self.current.close()

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(self.path)
        except OSError:
            connection.close()
            raise
        return connection

    def receive(self, connection):
        head, fds, _, _ = socket.recv_fds(connection, 12, 8)
        for fd in fds:
            socket.close(fd)
        if len(head) < 12:
            raise ValueError
        request, flags, size = struct.unpack("<III", head)
        payload = b""
        while len(payload) < size:
            payload += connection.recv(size - len(payload))
        return request, flags, payload

    def serve(self, connection):
        while True:
            request, flags, payload = self.receive(connection)
            self.seen.append(request)
            if request == self.at and self.fault:
                self.fault(connection, request)
                continue
            if request in QUESTIONS:
                connection.sendall(reply(request, self.answer(request, payload)))
            elif flags & NEED_REPLY:
                connection.sendall(reply(request, struct.pack("<Q", 0)))
            if request == SET_STATUS:
                self.status, = struct.unpack("<Q", payload)
            if request == SET_FEATURES:
                self.accepted, = struct.unpack("<Q", payload)
            if request == NET_SET_MTU:
                self.mtu, = struct.unpack("<Q", payload)

    def answer(self, request, payload):
        if request == GET_VRING_BASE:
            return payload
        if request == GET_CONFIG:
            offset, size, _ = struct.unpack_from("<III", payload)
            part = self.config[offset:offset + size]
            return payload[:12] + part if len(part) == size else b""
        return struct.pack("<Q", {GET_FEATURES: self.features, GET_STATUS: self.status,
                                  GET_QUEUE_NUM: self.pairs,
                                  GET_PROTOCOL_FEATURES: self.protocol}[request])

    def close(self):
        self.ended = True
        if self.listener:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        if self.current:
            try:
                self.current.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.thread.join(10)
