"""The memory that is shared: of huge pages where there are some, ours and that of guests."""

import errno
import mmap
import re
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hosted import ASAN, HOSTED, TapPeer, exchange
from ringzero import STATIC

pytestmark = pytest.mark.xdist_group("huge pages")  # one after the other: the pool is one

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PAGES = 160  # half of them are taken; at least 32 must be
PAGE = 2 << 20
MAP_HUGETLB = 0x40000
MAC = "02:00:00:00:00:01"


def count(name):
    return int((POOL / f"{name}_hugepages").read_text())


def available():
    return count("free") - count("resv")


@pytest.fixture
def huge_pages():
    """PAGES more than are in use; they go away with the test. Processes of other tests that start
    meanwhile take of them, too: what these keep at the end is surplus until they end, and must not
    be taken for a part of the pool by the next test."""
    if not POOL.exists():
        pytest.skip("needs a kernel with huge pages of 2 MiB")
    added = max(0, PAGES - available())
    before = count("nr") - count("surplus")
    try:
        if added:
            (POOL / "nr_hugepages").write_text(str(count("nr") + added))
        if available() < PAGES:
            pytest.skip(f"needs {PAGES} huge pages of 2 MiB, of which {available()} can be had")
        yield
    except PermissionError:
        pytest.skip(f"needs {PAGES} free huge pages of 2 MiB, or root to make them")
    finally:
        if added and count("nr") - count("surplus") != before:
            (POOL / "nr_hugepages").write_text(str(before))


def page_size(process):
    """Of the memory that is shared, in KiB."""
    maps = Path(f"/proc/{process.process.pid}/smaps").read_text()
    return int(re.search(r"memfd:ringzero.*?KernelPageSize: +(\d+)", maps, re.S)[1])


def serve(start, socket, program=HOSTED, options=""):
    process = start(f"net0.path={socket} net0.mac={MAC} {STATIC} {options}", program=program)
    process.wait_ready()
    return process


@pytest.mark.parametrize("program", [HOSTED, ASAN], ids=["plain", "asan"])
def test_huge_pages_are_taken_when_there_are_some(huge_pages, start, switch, program):
    s = switch()
    process = serve(start, s.sockets[0], program)
    process.wait_text(r"hosted: (\d+) MiB of memory to share with backends, huge pages of 2 MiB")
    assert page_size(process) == 2048
    s.peer.guest_mac = MAC
    exchange(s.peer, 200)
    process.close()
    assert s.end() == 0, s.log.read_text()


@pytest.mark.parametrize("options", ["", "net.packed_vq=1"], ids=["split", "packed"])
def test_dpdk_maps_huge_pages(huge_pages, backend_with_tap, netns, start, options):
    process = serve(start, backend_with_tap.socket, options=options)
    assert page_size(process) == 2048
    peer = TapPeer(netns, backend_with_tap.tap)
    peer.guest_mac = MAC
    exchange(peer, 200)
    peer.close()


@contextmanager
def all_reserved():
    """Every huge page that is left. They count as free until they are touched; a few at a time, as
    the processes of other tests take and give back pages meanwhile."""
    with ExitStack() as held:
        try:
            for _ in range(count("nr")):
                flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | MAP_HUGETLB
                held.enter_context(mmap.mmap(-1, 4 * PAGE, flags))
        except OSError as e:
            if e.errno != errno.ENOMEM:
                raise
        yield


def test_huge_pages_that_another_has_reserved_are_done_without(huge_pages, start, switch):
    s = switch()
    for _ in range(10):  # another test's process may give its pages back at the wrong moment
        with all_reserved():
            process = serve(start, s.sockets[0])
        if page_size(process) == 4:
            break
        process.close()
    process.wait_text("ordinary pages, as huge pages are denied")
    s.peer.guest_mac = MAC
    exchange(s.peer, 50)


def test_the_switch_maps_a_guests_huge_pages(huge_pages, switch, guest):
    s = switch()
    s.peer.guest_mac = MAC
    for _ in range(2):
        g = guest(s.sockets[0], "packed=on", memfd=",hugetlb=on,hugetlbsize=2M")
        exchange(s.peer, 100)
        g.close()
    assert s.end() == 0, s.log.read_text()
