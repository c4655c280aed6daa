"""run.sh says what is wrong with its variables, and gives QEMU what they mean.

QEMU itself is started by the guest tests; here a program of that name prints its arguments.
"""

import os
import pathlib
import socket
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def run(tmp_path):
    """Call run.sh with variables: its exit status, and QEMU's arguments or the error text."""
    fake = tmp_path / "bin" / "qemu-system-x86_64"
    fake.parent.mkdir()
    fake.write_text('#!/bin/sh\nfor a in "$@"; do echo "arg:$a"; done\nexit 7\n')
    fake.chmod(0o755)
    (tmp_path / "x86_64").mkdir()
    for name in ("ringzero.iso", "x86_64/ringzero.elf", "x86_64/BOOTX64.EFI"):
        (tmp_path / name).touch()

    def call(**variables):
        env = {"PATH": f"{fake.parent}:{os.environ['PATH']}", "BUILD": str(tmp_path),
               "PORT": str(free_port()), **variables}
        done = subprocess.run([ROOT / "tools/run.sh"], env=env, capture_output=True, text=True,
                              timeout=20, check=False)
        args = [a[4:] for a in done.stdout.splitlines() if a.startswith("arg:")]
        return done.returncode, args, done.stderr
    return call


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        return min(s.getsockname()[1], 64000)


@pytest.mark.parametrize("variables, words", [
    ({"NET": "bridge"}, ["NET=bridge", "user tap vhost-user"]),
    ({"MACHINE": "microvm"}, ["MACHINE=microvm", "pc q35"]),
    ({"BOOT": "usb"}, ["BOOT=usb", "iso iso-efi efi kernel"]),
    ({"ACCEL": "xen"}, ["ACCEL=xen", "kvm tcg"]),
    ({"MEM": "1.5G"}, ["MEM=1.5G"]),
    ({"PORTS": "17"}, ["PORTS=17", "0 to 16"]),
    ({"PORT": "http"}, ["PORT=http", "1 to 65000", "environment"]),
    ({"NET": "tap"}, ["IFNAME="]),
    ({"NET": "tap", "IFNAME": "rz-none"}, ["rz-none", "ip tuntap add"]),
    ({"NET": "tap", "IFNAME": "lo"}, ["lo is not a tap"]),
    ({"NET": "vhost-user"}, ["SOCK="]),
    ({"NET": "vhost-user", "SOCK": "/nonexistent/vu0"}, ["/nonexistent/vu0", "backend"]),
    ({"BUILD": "/nonexistent"}, ["/nonexistent/ringzero.iso", "make iso"]),
])
def test_a_wrong_variable_is_named_with_what_is_allowed(run, variables, words):
    status, args, error = run(**variables)
    assert status == 2 and not args
    for word in words:
        assert word in error


def test_a_busy_port_is_named_and_another_one_offered(run):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
        if port > 65000:
            pytest.skip("the kernel chose a port that run.sh does not take")
        status, args, error = run(PORT=str(port))
    assert status == 2 and not args
    assert f"UDP port {port} (PORT={port}, for port 0 of the guest)" in error
    assert f"make run PORT={(port + 99) % 65000 + 1}" in error


def test_numbers_with_leading_zeros_are_decimal(run):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        port = 7108
        while port < 9999:
            try:
                s.bind(("127.0.0.1", port))
                break
            except OSError:
                port += 1
    args = run(PORT=f"0{port}", PORTS="01")[1]
    assert f"user,id=net0,net=10.0.2.0/24,hostfwd=udp:127.0.0.1:{port}-:7" in args


def test_the_exit_status_is_qemus(run):
    assert run()[0] == 7


def test_options_keep_their_commas(run):
    args = run(ARGS="log=pci:debug,main:debug app=echo")[1]
    assert "name=opt/ringzero/cmdline,string=log=pci:debug,,main:debug app=echo" in args


def test_every_port_has_a_card_and_a_forwarded_port(run):
    port = free_port()
    args = run(PORTS="2", PORT=str(port))[1]
    assert len([a for a in args if a.startswith("virtio-net-pci,")]) == 2
    assert f"user,id=net1,net=10.0.3.0/24,hostfwd=udp:127.0.0.1:{port + 1}-:7" in args


def test_a_vhost_user_backend_may_map_the_guests_memory(run, tmp_path):
    path = tmp_path / "vu"
    with socket.socket(socket.AF_UNIX) as s:
        s.bind(str(path))
        args = run(NET="vhost-user", SOCK=str(path), MEM="512")[1]
    assert "memory-backend-memfd,id=mem,size=512M,share=on" in args
    assert f"socket,id=chr0,path={path}" in args


@pytest.mark.parametrize("boot, argument", [
    ("iso", "-cdrom"), ("iso-efi", "-cdrom"), ("efi", "-drive"), ("kernel", "-kernel")])
def test_every_way_to_boot_is_there(run, boot, argument):
    args = run(BOOT=boot)[1]
    assert argument in args
    assert any("if=pflash" in a for a in args) == boot.endswith("efi")
