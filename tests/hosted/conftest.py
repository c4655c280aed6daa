"""Fixtures of the tests of the hosted build: processes and backends that end with the test."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "guest"))

import netns as netns_module  # noqa: E402
from backend import Backend  # noqa: E402
from hosted import (ASAN, HOSTED, SWITCH, SWITCH_ASAN, Hosted, Switch, TapPeer,  # noqa: E402
                    Testpmd, need_dpdk)
from ringzero import ELF, Guest, Nic, device_properties  # noqa: E402

PROCESSES = pytest.StashKey[list]()


def pytest_sessionstart():
    for program in (HOSTED, ASAN, SWITCH, SWITCH_ASAN):
        if not program.exists():
            pytest.exit(f"{program} is missing: run make hosted hosted-asan first", 2)


def pytest_configure(config):
    config.addinivalue_line("markers", "soak: too many for every day, run by make soak")


def pytest_collection_modifyitems(config, items):
    """SOAK=1 runs the soak tests too."""
    late = [i for i in items if i.get_closest_marker("soak") and not os.environ.get("SOAK")]
    config.hook.pytest_deselected(items=late)
    items[:] = [i for i in items if i not in late]


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for process in item.stash.get(PROCESSES, []):
            report.sections.append(("end of the console", process.tail()))


@pytest.fixture
def start(request):
    """start(options) makes a process that is ended with the test."""
    processes = request.node.stash.setdefault(PROCESSES, [])

    def make(*args, **kwargs):
        process = Hosted(*args, **kwargs)
        processes.append(process)
        return process
    yield make
    for process in processes:
        process.close()


@pytest.fixture
def testpmd(tmp_path):
    """testpmd(...) makes a backend without a second port that is ended with the test."""
    need_dpdk()
    made = []

    def make(name="vhost.sock", **kwargs):
        made.append(Testpmd(tmp_path / name, **kwargs))
        return made[-1]
    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def switch(tmp_path):
    """switch(...) makes a Switch that is ended with the test."""
    made = []

    def make(*args, **kwargs):
        folder = tmp_path / f"switch{len(made)}"
        folder.mkdir()
        made.append(Switch(folder, *args, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="session")
def netns():
    lacking = netns_module.missing()
    if lacking:
        pytest.skip(f"needs {lacking}")
    ns = netns_module.Netns()
    yield ns
    ns.close()


@pytest.fixture(scope="session")
def wire(netns, tmp_path_factory):
    """A backend that serves one process after the other, with a tap behind it."""
    need_dpdk()
    backend = Testpmd(tmp_path_factory.mktemp("wire") / "vhost.sock", netns)
    yield backend
    backend.close()


@pytest.fixture
def peer(wire, netns):
    host = TapPeer(netns, wire.tap)
    yield host
    host.close()


@pytest.fixture
def backend(tmp_path):
    made = []

    def make(*args, **kwargs):
        made.append(Backend(tmp_path / "s", *args, **kwargs))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def guest(request, switch):
    """guest(socket, props, ...) makes a guest whose card's device is the process at the socket; closed
    before the backends are."""
    if not ELF.exists():
        pytest.fail(f"{ELF} is missing: run make iso")
    made = []

    def make(socket, props="", ip="10.0.2.15", mac="02:00:00:00:00:01", **kwargs):
        lacking = {p.split("=")[0] for p in props.split(",") if p} - device_properties()
        if lacking:
            pytest.skip(f"needs a QEMU whose virtio-net-pci has {lacking}")
        nic = Nic(props, backend="vhost-user", path=str(socket), mac=mac)
        made.append(Guest([nic], f"net.ip={ip}/24", reboot=True, **kwargs))
        request.node.stash.setdefault(PROCESSES, []).append(made[-1])
        made[-1].wait_ready()
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture
def backend_with_tap(netns, tmp_path):
    need_dpdk()
    made = Testpmd(tmp_path / "vhost.sock", netns)
    yield made
    made.close()
