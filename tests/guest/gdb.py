"""Memory of a guest, written from outside while it stands still: by QEMU's gdb stub, so that no code
for it has to be in the guest.

    with Memory(guest) as memory:       # the guest is stopped
        memory.write(address, bytes)
    # and runs again
"""

import socket


def arguments(folder):
    """What QEMU needs on its command line."""
    return ["-chardev", f"socket,id=gdb,path={folder}/gdb,server=on,wait=off", "-gdb", "chardev:gdb"]


class Memory:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self._input = b""

    def __enter__(self):
        self._ask("?")
        assert self._ask("Qqemu.PhyMemMode:1") == "OK"
        return self

    def __exit__(self, *_):
        self._ask("D")
        self.socket.close()

    def _byte(self):
        while not self._input:
            self._input = self.socket.recv(4096)
            assert self._input, "QEMU's gdb stub has closed its end"
        first, self._input = self._input[:1], self._input[1:]
        return first

    def _ask(self, command):
        data = command.encode()
        self.socket.sendall(b"$%s#%02x" % (data, sum(data) & 0xff))
        while self._byte() != b"$":
            pass
        answer = b""
        while (byte := self._byte()) != b"#":
            answer += byte
        self._byte(), self._byte()  # the checksum
        self.socket.sendall(b"+")
        return answer.decode()

    def read(self, address, length):
        return bytes.fromhex(self._ask(f"m{address:x},{length:x}"))

    def write(self, address, data):
        for at in range(0, len(data), 512):
            piece = data[at:at + 512]
            answer = self._ask(f"M{address + at:x},{len(piece):x}:{piece.hex()}")
            assert answer == "OK", f"write to {address + at:#x}: {answer}"
