"""A Linux guest in QEMU whose programs are the hosted build and what it needs: for the back ends that
are in the kernel.

    guest = LinuxGuest("release", modules=["tun", "vhost_net"])
    guest.sh("ip link set lo up")                        # the first serial line is a shell
    process = guest.ringzero("net0.path=/dev/vhost-net") # the second one is its console
"""

import gzip
import lzma
import re
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from hosted import ASAN, STATIC_HOSTED, SWITCH
from ringzero import BUILD, QEMU, Guest, Timeout, wait_until

UDP_ECHO = BUILD / "hosted" / "udp_echo"
BOOT_LIMIT = 150  # seconds; 3 on a quiet machine, and 60 on a very busy one
LIMIT = 60  # for any command
PROMPT = re.compile(rb"linux: status (\d+)\r?\n")
LOST = 250  # the guest's status of a line that did not come whole
INIT = """#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
stty -F /dev/ttyS0 raw -echo
stty -F /dev/ttyS1 raw -echo
ip link set lo up
# the usual one drops packets when the guest stands still for a moment
echo pfifo_fast >/proc/sys/net/core/default_qdisc
exec </dev/ttyS0 >/dev/ttyS0 2>&1
echo linux: status 0
while read -r length line; do
	[ "$length" ] || continue
	[ "${#line}" = "$length" ] || { echo "linux: status 250"; continue; }
	sh -c "$line"
	echo "linux: status $?"
done
"""


def kernel(which):
    """The folder of a kernel's package."""
    folder = BUILD / "linux" / which
    if not (folder / "version").exists():
        pytest.skip(f"needs a Linux kernel ('tools/linux.sh {which} {folder}' fetches it)")
    return folder


def module(folder, name):
    """The bytes of a kernel module, None when it is built in or not there."""
    for path in folder.glob(f"lib/modules/*/kernel/**/{name}.ko*"):
        data = path.read_bytes()
        return {".xz": lzma.decompress, ".ko": bytes}[path.suffix](data)
    return None


def libraries(program):
    text = subprocess.run(["ldd", program], capture_output=True, text=True, timeout=20,
                          check=True).stdout
    return [Path(path) for path in re.findall(r"(/\S+) \(0x", text)]


class Archive:
    """An initramfs: cpio in the format that the kernel calls newc."""

    def __init__(self):
        self.data, self.folders, self.count = b"", set(), 0

    def _entry(self, name, mode, content=b""):
        self.count += 1
        name = name.encode() + b"\0"
        fields = [self.count, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name
        self.data += head + bytes(-len(head) % 4) + content + bytes(-len(content) % 4)

    def folder(self, name):
        if name in self.folders or name in ("", "."):
            return
        self.folder(str(Path(name).parent))
        self.folders.add(name)
        self._entry(name, 0o040755)

    def add(self, name, content):
        self.folder(str(Path(name).parent))
        self._entry(name, 0o100755, content)

    def program(self, path, name=None):
        """A program of this machine with the libraries that it is linked with."""
        self.add(name or f"bin/{path.name}", path.read_bytes())

    def write(self, path):
        for name in ("dev", "proc", "sys", "tmp"):
            self.folder(name)
        self._entry("TRAILER!!!", 0)
        path.write_bytes(gzip.compress(self.data, 1))


class LinuxGuest(Guest):
    """One guest; `which` is tools/linux.sh's. `modules` are loaded in their order."""

    def __init__(self, which, modules=(), programs=(), memory=512):
        folder = kernel(which)
        self.folder = Path(tempfile.mkdtemp(prefix="ringzero-"))
        self.serial_path = self.folder / "serial.log"
        self.stderr_path = self.folder / "qemu.log"
        self.lines, self._typed, self._partial, self._peers = [], [], "", {}
        self._qmp = self.netns = self.process = None
        self.nics, self._text = [], b""
        archive = Archive()
        archive.add("init", INIT.encode())
        archive.add("bin/busybox", (folder / "bin/busybox").read_bytes())
        stripped = self.folder / "program"
        for program in (STATIC_HOSTED, SWITCH, UDP_ECHO):
            subprocess.run(["strip", "-o", stripped, program], timeout=60, check=True)
            archive.add(f"bin/{program.name}", stripped.read_bytes())
        for path in programs:
            archive.program(path, "bin/ringzero-asan" if path == ASAN else None)
            for library in libraries(path):
                if str(library)[1:] not in archive.folders:
                    archive.add(str(library)[1:], library.read_bytes())
                    archive.folders.add(str(library)[1:])
        found = {name: module(folder, name) for name in modules}
        for name, data in found.items():
            if data:  # else it is built in
                archive.add(f"modules/{name}.ko", data)
        archive.write(self.folder / "initramfs")
        shell = self.folder / "shell"
        self._start([
            QEMU, "-M", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
            "-m", str(memory), "-nodefaults", "-display", "none", "-no-reboot",
            "-chardev", f"socket,id=shell,path={shell},server=on,wait=off",
            "-serial", "chardev:shell",
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-kernel", str(next(folder.glob("boot/vmlinuz-*"))),
            "-initrd", str(self.folder / "initramfs"),
            "-append", "console=ttyS0 quiet panic=-1"])
        self._shell = socket.socket(socket.AF_UNIX)
        wait_until(lambda: self._connect(shell), LIMIT, "QEMU's serial line")
        self._answer(BOOT_LIMIT, "the guest's shell")
        for name in found:
            self.sh(f"[ ! -e /modules/{name}.ko ] || insmod /modules/{name}.ko")

    def _connect(self, path):
        try:
            self._shell.connect(str(path))
            return True
        except OSError:
            return False

    def _answer(self, limit, what):
        deadline = time.monotonic() + limit
        while not (found := PROMPT.search(self._text)):
            self._shell.settimeout(max(deadline - time.monotonic(), 0.01))
            try:
                data = self._shell.recv(65536)
            except TimeoutError as e:
                raise Timeout(f"not within {limit} s: {what}: {self._text[-2000:]}") from e
            assert data, f"QEMU ended before {what}: {self._text[-2000:]}"
            self._text += data
        text = self._text[:found.start()].decode("utf-8", "replace").replace("\r", "")
        self._text = self._text[found.end():]
        return int(found[1]), text

    def _run_line(self, command, limit):
        assert "\n" not in command
        for _ in range(5):  # a line that was idle, or a busy machine's, may lose bytes
            self._shell.sendall(f"\n{len(command)} {command}\n\n".encode())
            number, text = self._answer(limit, command)
            if number != LOST:
                break
        return number, text

    def sh(self, command, limit=LIMIT, status=0):
        """What the command printed; its exit status must be `status`, None: any."""
        number, text = self._run_line(command, limit)
        assert status in (number, None), f"{command}: status {number}: {text}"
        return text

    def wait_sh(self, command, limit=LIMIT):
        """Until the command's status is 0."""
        deadline = time.monotonic() + limit
        while True:
            number, text = self._run_line(command, limit)
            if number == 0:
                return text
            assert time.monotonic() < deadline, f"not within {limit} s: {command}: {text}"

    def ringzero(self, options, program="ringzero"):
        """Start the hosted build; its console is this guest's, from here on."""
        self.read()
        self.lines, self._partial = [], ""
        self.sh(f"({program} stats=json {options} </dev/ttyS1 >/dev/ttyS1 2>&1; "
                "echo linux: ringzero ended with $? >/dev/ttyS1) &")

    def end_ringzero(self):
        """The exit status."""
        self.type("poweroff")
        return int(self.wait_text(r"linux: ringzero ended with (\d+)", LIMIT)[1])

    def echo(self, count, address="10.0.2.15", segments=0):
        """Datagrams of every size from the guest's own UDP; each comes back as it was, in order."""
        more = f"-g {segments} " if segments else ""
        text = self.sh(f"udp_echo {more}{address} 7 {count}")
        assert f"{count} datagrams came back" in text

    def close(self):
        self._shell.close()
        self._end()
        shutil.rmtree(self.folder, ignore_errors=True)
