"""Fixtures of the guest tests: guests that end with the test and leave their logs when it fails."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import netns as netns_module  # noqa: E402
from ringzero import ARCH, BUILD, ELF, OVMF_CODE, OVMF_VARS, Guest, Nic, device_properties  # noqa: E402

GUESTS = pytest.StashKey[list]()
TEST_LIMIT = 120  # seconds; the longest test takes 20 on a quiet machine


class TooLong(Exception):
    pass


def pytest_configure(config):
    # so that guests, namespaces and folders are cleaned up when the run is stopped
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    config.addinivalue_line("markers", "slow: takes more than a few seconds")
    config.addinivalue_line("markers", "arch(name): is about this architecture alone")
    config.addinivalue_line("markers", "soak: too many for every day, run by make soak")


def pytest_collection_modifyitems(config, items):
    """What is about another architecture than ARCH is not there; SOAK=1 runs the soak tests, and
    only those."""
    soak = bool(os.environ.get("SOAK"))

    def fits(item):
        return (bool(item.get_closest_marker("soak")) == soak and
                all(mark.args[0] == ARCH for mark in item.iter_markers("arch")))
    config.hook.pytest_deselected(items=[i for i in items if not fits(i)])
    items[:] = [i for i in items if fits(i)]


def pytest_sessionstart():
    if not ELF.exists():
        pytest.exit(f"{ELF} is missing: run make first", 2)


def limited(item):
    """Around each of a test's phases: what hangs fails by its own name, and the others still run."""
    def too_long(*_):
        raise TooLong(f"{item.name} takes more than {TEST_LIMIT} s")
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(TEST_LIMIT)
    yield
    signal.alarm(0)


pytest_runtest_setup = pytest.hookimpl(hookwrapper=True)(limited)
pytest_runtest_call = pytest.hookimpl(hookwrapper=True)(limited)
pytest_runtest_teardown = pytest.hookimpl(hookwrapper=True)(limited)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if not report.failed:
        return
    name = re.sub(r"[^\w.-]+", "-", item.name)
    for n, guest in enumerate(item.stash.get(GUESTS, [])):
        folder = BUILD / "guest-failures" / name / str(n)
        guest.keep(folder)
        report.sections.append((f"guest {n}: end of the console (all in {folder})", guest.tail()))


@pytest.fixture
def start(request):
    """start(...) makes a Guest that is ended with the test."""
    guests = request.node.stash.setdefault(GUESTS, [])

    def make(*args, **kwargs):
        guest = Guest(*args, **kwargs)
        guests.append(guest)
        return guest
    yield make
    for guest in guests:
        guest.close()


@pytest.fixture
def serve(start):
    """serve(props, ...) makes a guest with one card on the wire, and waits until it serves."""
    def make(props="", **kwargs):
        guest = start(nics=[Nic(props)], **kwargs)
        guest.wait_ready()
        return guest
    return make


@pytest.fixture
def netns():
    lacking = netns_module.missing()
    if lacking:
        pytest.skip(f"needs {lacking}")
    ns = netns_module.Netns()
    yield ns
    ns.close()


@pytest.fixture
def uefi():
    for path in (OVMF_CODE, OVMF_VARS):
        if not path.exists():
            pytest.skip(f"needs {path} (package ovmf)")


@pytest.fixture
def needs_property():
    """needs_property("in_order") skips where this QEMU's virtio-net-pci does not have it."""
    def check(*names):
        lacking = set(names) - device_properties()
        if lacking:
            pytest.skip(f"needs a QEMU whose virtio-net-pci has {', '.join(sorted(lacking))}")
    return check


@pytest.fixture(scope="session")
def loadgen():
    """The path of the load generator."""
    path = BUILD / "tools" / "loadgen"
    if not path.exists():
        pytest.fail(f"{path} is missing: run make bench-tools")
    return path
