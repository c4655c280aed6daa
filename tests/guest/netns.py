"""A network namespace of our own with a tap in it, and programs that run inside."""

import ctypes
import itertools
import os
import shutil
import socket
import subprocess
import threading
from pathlib import Path

CLONE_NEWNET = 0x40000000
_numbers = itertools.count()


def missing():
    """What this machine lacks for a tap in a namespace, None if nothing."""
    if os.geteuid() != 0:
        return "root (for a network namespace and a tap)"
    if not shutil.which("ip"):
        return "the program ip (package iproute2)"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun"
    return None


class Netns:
    def __init__(self):
        self.name = f"ringzero-{os.getpid()}-{next(_numbers)}"
        self.processes = []
        subprocess.run(["ip", "netns", "add", self.name], check=True, timeout=10)

    def run(self, *command):
        subprocess.run(["ip", "netns", "exec", self.name, *command], check=True, timeout=10)

    def add_tap(self, name, address, several=False):
        """several: with more than one queue."""
        self.run("ip", "tuntap", "add", name, "mode", "tap",
                 *(["multi_queue", "vnet_hdr"] if several else []))
        self.run("ip", "addr", "add", address, "dev", name)
        self.run("ip", "link", "set", name, "up")

    def start(self, *command, log):
        with open(log, "ab") as out:
            process = subprocess.Popen(["ip", "netns", "exec", self.name, *command], stdout=out,
                                       stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def socket(self, *args):
        """A socket that lives in the namespace."""
        made = []

        def enter():
            with open(f"/run/netns/{self.name}", "rb") as ns:
                if ctypes.CDLL(None, use_errno=True).setns(ns.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.socket(*args))
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join(10)
        made[0].settimeout(5)
        return made[0]

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait(10)
        subprocess.run(["ip", "netns", "del", self.name], check=False, timeout=10)
