"""Run ringzero in QEMU and talk to it: the machine, its serial console, its network.

    with Guest(nics=[Nic()], options="net.ip=10.0.2.15/24") as guest:
        guest.wait_json("ready")
        guest.peer().ping()

Needs nothing beyond Python's own library, so that the benchmarks can use it too. Everything that
waits has a time limit; a limit reached raises Timeout.
"""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import warnings
from dataclasses import dataclass
from pathlib import Path

from frames import Peer

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BUILD", ROOT / "build")).resolve()
ISO = BUILD / "ringzero.iso"
ARCH = os.environ.get("ARCH") or "x86_64"
if ARCH == "aarch64":
    ELF = BUILD / "aarch64" / "ringzero.img"
    EFI = BUILD / "aarch64" / "BOOTAA64.EFI"
    # MSI-X by GICv2m, and by the ITS
    MACHINES = ["virt", "virt,gic-version=3"]
    OVMF_CODE = Path("/usr/share/AAVMF/AAVMF_CODE.fd")
    OVMF_VARS = Path("/usr/share/AAVMF/AAVMF_VARS.fd")
    STATUS_OF_FAILURE = ["-semihosting-config", "enable=on,target=native"]
else:
    ELF = BUILD / "x86_64" / "ringzero.elf"
    EFI = BUILD / "x86_64" / "BOOTX64.EFI"
    MACHINES = ["pc", "q35"]
    OVMF_CODE = Path("/usr/share/OVMF/OVMF_CODE_4M.fd")
    OVMF_VARS = Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
    STATUS_OF_FAILURE = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]
QEMU = os.environ.get("QEMU", f"qemu-system-{ARCH}")

GUEST_IP, OUR_IP = "10.0.2.15", "10.0.2.2"
STATIC = f"net.ip={GUEST_IP}/24 net.gw={OUR_IP}"
BOOT_LIMIT = 60  # seconds; UEFI takes 5 on a quiet machine, and 30 on a very busy one


class Timeout(AssertionError):
    pass


class WrongCommand(AssertionError):
    pass


def says_wrong(line, typed):
    """Is this line the console's answer to a command that does not exist, or is typed wrongly? Usage texts begin
    with the command's name."""
    if re.search(r'unknown command "|: give (all|a number)|^Invalid .* mode|for app=\w+ alone', line):
        return True
    name = re.match(r"([a-z][\w *-]*): ", line)
    return bool(name and not re.match(r"port \d+ [rt]xq", line) and
                any(t == name[1] or t.startswith(name[1] + " ") for t in typed))


def wait_until(condition, limit, what, pause=0.005):
    """Call condition() until it gives something true, and return that."""
    deadline = time.monotonic() + limit
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise Timeout(f"not within {limit} s: {what}")
        time.sleep(pause)


@functools.cache
def usual_accel():
    """kvm only where the processor really has it; ACCEL=... overrides."""
    if ARCH != os.uname().machine:
        return "tcg"
    if os.environ.get("ACCEL"):
        return os.environ["ACCEL"]
    usable = os.access("/dev/kvm", os.R_OK | os.W_OK) and not Path("/sys/module/kvm_pvm").exists()
    flags = Path("/proc/cpuinfo").read_text() if usable else ""
    return "kvm" if re.search(r"\b(vmx|svm)\b", flags) else "tcg"


@functools.cache
def device_properties(model="virtio-net-pci"):
    text = subprocess.run([QEMU, "-device", f"{model},help"], capture_output=True, text=True,
                          timeout=20, check=True).stdout
    return set(re.findall(r"^\s+([\w-]+)=", text, re.MULTILINE))


def free_udp_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@dataclass
class Nic:
    """A network card: what it is connected to, and the properties of the device.

    backend  dgram  frames through unix sockets, read and written by Guest.peer(n)
             user   QEMU's own network; UDP port 7 is forwarded from 127.0.0.1:.port
             tap    the interface .ifname (in Guest's netns)
             vhost-user  another process, which listens at the socket .path
    queues   queue pairs of a tap, which has to be made for several
    """
    props: str = ""
    backend: str = "dgram"
    model: str = "virtio-net-pci"
    mac: str = ""
    ifname: str = ""
    port: int = 0
    path: str = ""
    queues: int = 1

    def netdev(self, n, folder):
        if self.backend == "dgram":
            return (f"dgram,id=n{n},local.type=unix,local.path={folder}/q{n},"
                    f"remote.type=unix,remote.path={folder}/p{n}")
        if self.backend == "tap":
            return (f"tap,id=n{n},ifname={self.ifname},script=no,downscript=no,vhost=off" +
                    (f",queues={self.queues}" if self.queues > 1 else ""))
        if self.backend == "vhost-user":
            return f"vhost-user,id=n{n},chardev=vhost{n}"
        self.port = self.port or free_udp_port()
        return f"user,id=n{n},hostfwd=udp:127.0.0.1:{self.port}-:7"

    def arguments(self, n, folder):
        self.mac = self.mac or f"52:54:00:12:34:{0x56 + n:02x}"
        props = "".join(f",{p}" for p in self.props.split(",") if p)
        first = ["-chardev", f"socket,id=vhost{n},path={self.path}"] if self.path else []
        return [*first, "-netdev", self.netdev(n, folder), "-device",
                f"{self.model},id=nic{n},netdev=n{n},mac={self.mac},romfile={props}"]


class Qmp:
    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        wait_until(lambda: self._connect(path), 10, "QEMU's monitor socket")
        self.file = self.socket.makefile("r")
        self.file.readline()
        self("qmp_capabilities")

    def _connect(self, path):
        try:
            self.socket.connect(str(path))
            return True
        except OSError:
            return False

    def __call__(self, command, **arguments):
        request = {"execute": command, "arguments": arguments}
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = json.loads(self.file.readline())
            if "error" in answer:
                raise AssertionError(f"{command}: {answer['error']['desc']}")
            if "return" in answer:
                return answer["return"]


class Guest:
    """One QEMU process.

    boot     kernel (-kernel), iso-bios, iso-uefi, efi (BOOTX64.EFI or BOOTAA64.EFI on a FAT folder),
             efi-shell (started with load options from startup.nsh),
             iso-grub (an ISO made for this guest, its options on the GRUB line),
             iso-disk (the ISO as a hard disk)
    options  ringzero's words; carried by the command line where the way of booting has one
    fw_cfg   words for opt/ringzero/cmdline (the only way in for the ISO, which gets options too)
    accel    kvm or tcg, if it matters
    memfd    ",hugetlb=on": properties of memory that is shared with vhost-user backends
    """

    def __init__(self, nics=(), options=STATIC, boot="kernel", machine=MACHINES[0], memory=64, fw_cfg=None,
                 extra=(), pcap=True, netns=None, cpu="max", debug_exit=True, reboot=False,
                 accel=None, memfd=""):
        self.nics = list(nics)
        self.netns = netns
        self.boot = boot
        self.folder = Path(tempfile.mkdtemp(prefix="ringzero-"))
        self.serial_path = self.folder / "serial.log"
        self.stderr_path = self.folder / "qemu.log"
        self.lines = []
        self._typed = []  # commands that are expected to be right
        self._partial = ""
        self._peers = {}
        self._qmp = None
        self.process = None
        words = f"stats=json {options}" if options is not None else None
        if any(nic.backend == "vhost-user" for nic in self.nics):  # the other process maps the guest's memory
            machine += ",memory-backend=mem"
            extra = ["-object", f"memory-backend-memfd,id=mem,size={memory}M,share=on{memfd}",
                     *extra]
            pcap = False  # packets do not pass through QEMU

        # the peers' sockets first: what the guest sends before we look must not be lost
        for n, nic in enumerate(self.nics):
            if nic.backend == "dgram":
                self._peers[n] = Peer(self.folder / f"q{n}", self.folder / f"p{n}")
        arguments = self._machine_arguments(machine, memory, cpu, accel or usual_accel())
        arguments += [] if reboot else ["-no-reboot"]
        if debug_exit:
            arguments += STATUS_OF_FAILURE
        arguments += self._boot_arguments(boot, words, fw_cfg)
        arguments += extra  # bridges stand before what is plugged into them
        for n, nic in enumerate(self.nics):
            arguments += nic.arguments(n, self.folder)
            if pcap:
                arguments += ["-object", f"filter-dump,id=dump{n},netdev=n{n},"
                                         f"file={self.folder}/net{n}.pcap"]
            if n in self._peers:
                self._peers[n].guest_mac = nic.mac
        self._start(arguments)

    # ---- starting and ending --------------------------------------------------------------

    def _machine_arguments(self, machine, memory, cpu, accel):
        return [QEMU, "-M", machine, "-accel", accel, "-cpu", cpu, "-m", str(memory),
                "-nodefaults", "-display", "none",
                "-chardev", "stdio,id=serial,signal=off", "-serial", "chardev:serial",
                "-qmp", f"unix:{self.folder}/qmp,server=on,wait=off"]

    def _boot_arguments(self, boot, words, fw_cfg):
        if boot == "kernel":
            result = ["-kernel", str(ELF)] + (["-append", words] if words else [])
            words = None
        else:
            result = self._firmware_arguments(boot, words)
        if boot in ("efi-shell", "iso-grub"):
            words = None
        words = " ".join(w for w in (words, fw_cfg) if w)
        if words:
            escaped = words.replace(",", ",,")
            result += ["-fw_cfg", f"name=opt/ringzero/cmdline,string={escaped}"]
        return result

    def _firmware_arguments(self, boot, words):
        result = []
        if boot == "iso-grub":
            return ["-cdrom", str(self._make_iso(words)), "-boot", "d"]
        if boot == "iso-disk":
            return ["-drive", f"file={ISO},format=raw,if=ide,snapshot=on"]
        if boot != "iso-bios":
            shutil.copy(OVMF_VARS, self.folder / "vars.fd")
            result = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF_CODE}",
                      "-drive", f"if=pflash,format=raw,unit=1,file={self.folder}/vars.fd"]
        if boot.startswith("iso") and ARCH == "aarch64":
            return result + ["-drive", f"file={ISO},format=raw,if=none,id=iso,readonly=on",
                             "-device", "virtio-blk-pci,drive=iso,bootindex=0"]
        if boot.startswith("iso"):
            return result + ["-cdrom", str(ISO), "-boot", "d"]
        disk = self.folder / "esp"
        if boot == "efi":
            (disk / "EFI" / "BOOT").mkdir(parents=True)
            shutil.copy(EFI, disk / "EFI" / "BOOT" / EFI.name)
        else:
            disk.mkdir()
            shutil.copy(EFI, disk / "ringzero.efi")
            (disk / "startup.nsh").write_text(f"fs0:\\ringzero.efi {words}\r\n")
        return result + ["-drive", f"file=fat:{disk},format=raw,if=none,id=esp,readonly=on",
                         "-device", "virtio-blk-pci,drive=esp,bootindex=0"]

    def _make_iso(self, words):
        config = self.folder / "grub.cfg"
        config.write_text('set timeout=0\nmenuentry "ringzero" {\n'
                          f"\tmultiboot2 /boot/ringzero.elf {words}\n}}\n")
        subprocess.run([ROOT / "tools" / "mkiso.sh", self.folder / "own.iso", ELF, config, EFI],
                       check=True, timeout=60)
        return self.folder / "own.iso"

    def _start(self, arguments):
        if self.netns:
            arguments = ["ip", "netns", "exec", self.netns.name] + arguments
        self.arguments = arguments
        self._run()

    def _run(self):
        self.started_ns = time.time_ns()
        with open(self.serial_path, "wb") as out, open(self.stderr_path, "wb") as err:
            self.process = subprocess.Popen(self.arguments, stdin=subprocess.PIPE, stdout=out,
                                            stderr=err)
        self._serial = open(self.serial_path, "rb")

    def _end(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
        if self.process:
            self.process.wait(10)
            self.process.stdin.close()
            self.read()
            self._serial.close()
        if self._qmp:
            self._qmp.socket.close()
            self._qmp = None

    def close(self):
        self._end()
        for peer in self._peers.values():
            peer.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def wait_exit(self, limit=BOOT_LIMIT):
        """QEMU's exit status."""
        wait_until(lambda: self.process.poll() is not None, limit, "QEMU should have ended")
        self.read()
        return self.process.returncode

    def registers(self):
        """Where its processors stand, three times over; what QEMU says when it cannot tell."""
        try:
            return "\n".join(self.qmp("human-monitor-command", **{"command-line": "info registers -a"})
                             for _ in range(3) if not time.sleep(0.1))
        except (OSError, ValueError, AssertionError) as e:
            return f"no registers: {e}"

    def keep(self, folder):
        """Copy the logs and packet captures to where somebody can look at them."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "command.txt").write_text(" ".join(map(str, self.arguments)) + "\n")
        if self.process.poll() is None:
            (folder / "registers.txt").write_text(self.registers())
        for path in self.folder.glob("*"):
            if path.suffix in (".log", ".pcap"):
                shutil.copy(path, folder)

    # ---- the serial console ---------------------------------------------------------------

    def read(self):
        """All complete lines so far, also of one that was closed."""
        if self._serial.closed:
            return self.lines
        text = self._partial + self._serial.read().decode("utf-8", "replace")
        *complete, self._partial = text.split("\n")
        new = [line.rstrip("\r") for line in complete]
        self.lines += new
        wrong = next((line for line in new if self._typed and says_wrong(line, self._typed)), None)
        if wrong:
            raise WrongCommand(f"{self._typed[-1]}: {wrong}")
        return self.lines

    def tail(self, n=40):
        """The end of the console, of statistics only the last line, and what QEMU said."""
        self._typed = []
        shown = [line for line in self.read() if not line.startswith('{"type":"stats"')]
        stats = [line for line in self.lines if line.startswith('{"type":"stats"')]
        errors = self.stderr_path.read_text(errors="replace") if self.folder.exists() else ""
        return "\n".join(shown[-n:] + stats[-1:] + [self._partial, errors])

    def json_lines(self, kind=None):
        """The JSON lines so far, those of one type if told."""
        found = [json.loads(line) for line in self.read() if line.startswith("{")]
        return [j for j in found if kind in (None, j["type"])]

    def _wait(self, find, limit, what):
        def look():
            found = find()
            if not found and self.process.poll() is not None:
                found = find()  # its last words
                if not found:
                    raise AssertionError(f"QEMU ended ({self.process.returncode}) before {what}")
            return found
        return wait_until(look, limit, what)

    def wait_json(self, kind, limit=BOOT_LIMIT, after=0, **members):
        """The first JSON line of this type with these members, behind the first `after` ones."""
        def find():
            for j in self.json_lines(kind)[after:]:
                if all(j.get(k) == v for k, v in members.items()):
                    return j
            return None
        return self._wait(find, limit, f"JSON line {kind} {members or ''}")

    def wait_text(self, pattern, limit=BOOT_LIMIT, after=0):
        """The match of a regular expression in one line, from line number `after` on."""
        def find():
            for line in self.read()[after:]:
                found = re.search(pattern, line)
                if found:
                    return found
            return None
        return self._wait(find, limit, f"a line with /{pattern}/")

    def wait_firmware(self, limit=BOOT_LIMIT):
        """Firmware for aarch64 stops once in a hundred starts or two, before it looks for what it
        could boot; then the machine is started once more, and the report says so."""
        def begun():
            return self.process.poll() is not None or any(
                "BdsDxe: starting" in line or line.startswith("[") for line in self.read())
        try:
            wait_until(begun, limit, "a firmware that starts something")
        except Timeout:
            at = " ".join(re.findall(r"PC=\w+", self.registers()))
            warnings.warn(f"the firmware stopped before it started anything, {at}")
            self._end()
            self.lines, self._partial = [], ""
            for path in self.folder.glob("q*"):
                path.unlink()
            self._run()

    def wait_ready(self, limit=BOOT_LIMIT):
        if ARCH == "aarch64" and self.boot != "kernel":
            self.wait_firmware()
        return self.wait_json("ready", limit)

    def fresh_stats(self, port=0, limit=15):
        """Statistics printed from now on; the second line, as the first may be under way."""
        def find():
            new = [s for s in self.json_lines("stats")[seen:] if s["port"] == port]
            return new[1] if len(new) > 1 else None
        seen = len(self.json_lines("stats"))
        return self._wait(find, limit, f"statistics of port {port}")

    def wait_stats(self, condition, port=0, limit=15):
        """The first statistics line of a port, of all so far and to come, for which condition
        holds."""
        def find():
            return next((s for s in reversed(self.json_lines("stats"))
                         if s["port"] == port and condition(s)), None)
        return self._wait(find, limit, f"statistics of port {port} as wanted")

    def command(self, line, last, limit=10, wrong=False):
        """Type a command; what it printed, up to the line that matches `last`."""
        start = len(self.read())
        self.type(line, wrong)
        self.wait_text(last, limit, start)
        return "\n".join(self.read()[start:])

    def net_stats(self, port=0):
        """The stack's counters of a port, by name."""
        start = len(self.read())
        self.type("show net stats")
        self.wait_text(rf"^port {port}:", 10, start)
        self.wait_text(r"^ +arp_conflicts", 10, start + 1)
        found, current = {}, None
        for line in self.read()[start:]:
            head = re.match(r"port (\d+):", line)
            value = re.match(r" +(\w+) +(\d+)$", line)
            if head:
                current = int(head[1])
            elif value and current == port:
                found[value[1]] = int(value[2])
        return found

    def type(self, line, wrong=False):
        """Type a command. The next look at the console fails when it does not exist, or is used wrongly, unless
        it is `wrong` on purpose."""
        self.read()
        self._typed = [] if wrong else [*self._typed, line]
        self.process.stdin.write(line.encode() + b"\r")
        self.process.stdin.flush()

    # ---- the network and the machine ------------------------------------------------------

    def peer(self, n=0):
        return self._peers[n]

    @property
    def qmp(self):
        if not self._qmp:
            self._qmp = Qmp(self.folder / "qmp")
        return self._qmp

    def virtio_status(self, n=0):
        """What QEMU's device says of itself: features offered and accepted, status, queues."""
        for found in self.qmp("x-query-virtio"):
            if f"/nic{n}/" in found["path"]:
                return self.qmp("x-query-virtio-status", path=found["path"])
        raise AssertionError(f"no virtio device nic{n}")

    def load(self, program, *arguments, n=0, limit=60):
        """Let the load generator take the peer's place on the wire for a run; its results."""
        self._peers[n].close()
        command = [str(program), "--unix", f"{self.folder}/p{n},{self.folder}/q{n}",
                   "--guest-mac", self.nics[n].mac, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        self._peers[n].open()
        assert done.returncode in (0, 1), done.stderr
        return json.loads(done.stdout)

    def udp_socket(self, n=0):
        """An ordinary UDP socket connected to port 7 of a guest on user networking."""
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.settimeout(1)
        s.connect(("127.0.0.1", self.nics[n].port))
        return s
