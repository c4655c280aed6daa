"""A vhost-user front end in Python, with two split rings of its own, to be as wrong as a test wants."""

import os
import socket
import struct

from backend import (GET_FEATURES, NEED_REPLY, P_REPLY_ACK, PROTOCOL_FEATURES, SET_FEATURES,
                     SET_MEM_TABLE, SET_VRING_KICK, VERSION_1)
from ringzero import wait_until

SET_OWNER, SET_VRING_NUM, SET_VRING_ADDR, SET_VRING_BASE, SET_VRING_CALL = 3, 8, 9, 10, 13
SET_PROTOCOL_FEATURES, SET_VRING_ENABLE = 16, 18
USER, GUEST = 0x10000000, 0x20000000  # where our memory is for us, and for the device
BYTES, RING, BUFFER, SIZE = 1 << 20, 0x4000, 0x10000, 8
HEADER = 12


class FrontEnd:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        wait_until(lambda: self.is_connected(path), 10, "the back end to take a connection")
        self.memory = os.memfd_create("frontend")
        os.ftruncate(self.memory, BYTES)
        self.kick, self.call = os.eventfd(0), os.eventfd(0)
        self.fds = [self.memory, self.kick, self.call]

    def is_connected(self, path):
        try:
            self.socket.connect(str(path))
        except BlockingIOError:
            return False  # others wait already
        return True

    def say(self, request, payload=b"", fds=(), flags=1):
        message = struct.pack("<III", request, flags, len(payload)) + payload
        socket.send_fds(self.socket, [message], list(fds))

    def say_bytes(self, data, fds=()):
        socket.send_fds(self.socket, [data], list(fds))

    def answer(self):
        """The payload, None at the end of the connection."""
        try:
            head = self.socket.recv(12, socket.MSG_WAITALL)
            size = struct.unpack("<III", head)[2] if head else 0
        except ConnectionError:
            return None
        return self.socket.recv(size, socket.MSG_WAITALL) if head else None

    def ask(self, request, payload=b"", fds=()):
        self.say(request, payload, fds, 1 | NEED_REPLY)
        return self.answer()

    def greet(self, features=0):
        self.say(SET_OWNER)
        assert self.ask(GET_FEATURES)
        self.say(SET_FEATURES, struct.pack("<Q", VERSION_1 | PROTOCOL_FEATURES | features))
        self.say(SET_PROTOCOL_FEATURES, struct.pack("<Q", P_REPLY_ACK))

    def share(self, length=BYTES):
        """The answer: zeros, or None when that was the end."""
        table = struct.pack("<IIQQQQ", 1, 0, GUEST, length, USER, 0)
        return self.ask(SET_MEM_TABLE, table, [self.memory])

    def bring_up(self, size=SIZE, base=0, at=(USER, USER + RING)):
        """All that it takes, each with an answer: not zero where it is refused."""
        return [struct.unpack("<Q", self.ask(request, struct.pack(*payload), fds))[0]
                for ring in range(2)
                for request, payload, fds in (
                    (SET_VRING_NUM, ("<II", ring, size), []),
                    (SET_VRING_BASE, ("<II", ring, base), []),
                    (SET_VRING_ADDR, ("<IIQQQQ", ring, 0, at[ring], at[ring] + 0x2000,
                                      at[ring] + 0x1000, 0), []),
                    (SET_VRING_CALL, ("<Q", ring), [self.call]),
                    (SET_VRING_KICK, ("<Q", ring), [self.kick]),
                    (SET_VRING_ENABLE, ("<II", ring, 1), []))]

    def start(self):
        assert not any(self.bring_up()), "all was understood"

    def run(self, length=BYTES):
        self.greet()
        assert self.share(length) == bytes(8)
        self.start()
        return self

    def write(self, offset, data):
        os.pwrite(self.memory, data, offset)

    def send(self, frame):
        """The first buffer of the Tx ring."""
        self.write(BUFFER, bytes(HEADER) + frame)
        self.write(RING, struct.pack("<QIHH", GUEST + BUFFER, HEADER + len(frame), 0, 0))
        self.write(RING + 0x1000, struct.pack("<HHH", 0, 1, 0))

    def is_used(self, ring=RING):
        return os.pread(self.memory, 4, ring + 0x2000)[2:] == b"\1\0"

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []
