"""net.mode=interrupt and adaptive, app=l3fwd-power: the guest sleeps until an interrupt, and is there
when it is needed."""

import os
import random
import re
import socket
import time

import pytest

from frames import exchange
from ringzero import ARCH, STATIC, Nic, wait_until
from test_multiqueue import GUEST_IP, OUR_IP, echo_flows, stats_of_queues

IDLE_SECONDS = 3
# of a processor, whatever else the machine does; 0.007 are usual with TCG, one that polls takes 1
IDLE_LIMIT = 0.05
TICK = 0.1        # seconds: a sleeper looks around so often anyway

# properties of the card: how its interrupts come
VECTORS = {
    "msix": "",
    "one_for_each": "vectors=4",
    "two": "vectors=2",
    "one": "vectors=1",  # for all
    "intx": "vectors=0",
}
RINGS = {
    "split": "",
    "split_flags": "event_idx=off",
    "packed": "packed=on",
    "packed_flags": "packed=on,event_idx=off",
}


def used_seconds(guest):
    """Processor time of QEMU, all its threads."""
    with open(f"/proc/{guest.process.pid}/stat", encoding="ascii") as f:
        stat = f.read().rsplit(")", 1)[1].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def idle_share(guest, seconds=IDLE_SECONDS):
    before, at = used_seconds(guest), time.monotonic()
    time.sleep(seconds)
    return (used_seconds(guest) - before) / (time.monotonic() - at)


def check_sleeper(guest, count=2000 if os.environ.get("SOAK") else 50):
    peer, took = guest.peer(), []
    for n in range(count):  # most find it asleep, some at the moment when it falls asleep
        time.sleep(random.choice((random.uniform(0, 0.01), random.expovariate(10000))))
        at = time.monotonic()
        assert peer.ping(b"wake up", seq=n), f"packet {n} is stuck"
        took.append(time.monotonic() - at)
    # by a timer a quarter of them would take less than a quarter of a tick
    assert sorted(took)[count // 4] < TICK / 10, "a timer wakes it, and no interrupt"
    assert idle_share(guest) < IDLE_LIMIT
    stats = guest.fresh_stats()
    assert stats["interrupts"] >= count / 4  # with some it had not fallen asleep again
    assert stats["rx_packets"] >= count


def soak(*values):
    return pytest.param(*values, marks=pytest.mark.soak)


@pytest.mark.parametrize("ring,vectors,mode", [
    ("packed", "msix", "adaptive"),
    *(soak(r, v, m) for r in RINGS for v in VECTORS for m in ("interrupt", "adaptive")
      if (r, v, m) != ("packed", "msix", "adaptive")),
])
def test_sleeps_and_wakes_up(serve, ring, vectors, mode):
    guest = serve(",".join(p for p in (RINGS[ring], VECTORS[vectors]) if p),
                  options=f"{STATIC} net.mode={mode}")
    exchange(guest.peer(), 200)
    check_sleeper(guest)


@pytest.mark.soak
@pytest.mark.parametrize("machine,cpu", {
    "x86_64": [("q35", "max"), ("pc", "max,x2apic=off")],
    "aarch64": [("virt,gic-version=3", "max"), ("virt,acpi=off", "cortex-a72")]}[ARCH])
def test_sleeps_on_other_machines(serve, machine, cpu):
    check_sleeper(serve("", machine=machine, cpu=cpu, options=f"{STATIC} net.mode=interrupt"))


def test_news_come_at_once_and_the_loop_says_when_it_sleeps(start):
    """The link, what is typed, and the texts of l3fwd-power; the pin of a card without vectors."""
    guest = start(nics=[Nic("vectors=0")], options=f"app=l3fwd-power {STATIC}")
    guest.wait_ready()
    check_sleeper(guest)
    text = "\n".join(guest.read())
    assert "lcore 0 sleeps until interrupt triggers" in text
    assert re.search(r"lcore 0 is waked up from rx interrupt on port 0 queue 0", text)
    assert text.count("sleeps until") < 30, "a flood"
    took = []
    for n in range(6):  # at a random moment between two ticks
        time.sleep(0.23)
        at, seen = time.monotonic(), len(guest.read())
        guest.qmp("set_link", name="n0", up=bool(n % 2))
        guest.wait_text(rf"link {'up' if n % 2 else 'down'}", after=seen)
        took.append(time.monotonic() - at)
    assert sorted(took)[2] < TICK / 2, f"{took}: it waited for a timer"
    for n in range(6):
        time.sleep(0.23)
        at, seen = time.monotonic(), len(guest.read())
        guest.type(f"hello{n}", wrong=True)
        guest.wait_text(f"unknown command \"hello{n}\"", after=seen)
        took[n] = time.monotonic() - at
    assert sorted(took)[2] < TICK / 2, f"{took}: it waited for a timer"
    assert guest.peer().ping(b"still there")


@pytest.mark.soak
def test_without_interrupts_it_polls(serve, request):
    """Behind pxb-pcie QEMU routes no pin."""
    if ARCH != "x86_64":
        pytest.skip("the pin is always there")
    guest = serve("vectors=0,bus=p1", machine="q35", options=f"{STATIC} net.mode=interrupt",
                  extra=["-device", "pxb-pcie,id=x,bus_nr=32,bus=pcie.0",
                         "-device", "pcie-root-port,id=p1,bus=x,chassis=1"])
    exchange(guest.peer(), 200)


# ---- several lcores -----------------------------------------------------------------------------

PAIRS = 2


TO_ANOTHER = "interrupt net.rss=software net.rss_reta=1"  # the second lcore handles what the first receives


@pytest.mark.parametrize("vectors,mode", [(2 * PAIRS + 2, "interrupt"), (2 * PAIRS + 2, TO_ANOTHER),
                                          soak(0, "interrupt"), soak(1, "interrupt"),
                                          soak(2, "interrupt"), soak(PAIRS + 1, "adaptive"),
                                          soak(1, TO_ANOTHER)])
def test_each_lcore_sleeps_on_its_own(start, netns, vectors, mode):
    netns.add_tap("tap0", f"{OUR_IP}/24", several=True)
    nic = Nic(f"mq=on,vectors={vectors}", backend="tap", ifname="tap0", queues=PAIRS)
    guest = start(nics=[nic], netns=netns, extra=["-smp", str(PAIRS)], pcap=False,
                  options=f"net.ip={GUEST_IP}/24 net.rxq={PAIRS} net.mode={mode} app=echo")
    guest.wait_ready()
    guest.wait_text(f"lcore {PAIRS - 1} on processor")
    echo_flows(netns, flows=32, rounds=3)
    took = []
    for k in range(40):  # each finds its lcore asleep
        time.sleep(0.005)
        with netns.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            at = time.monotonic()
            s.sendto(b"wake up", (GUEST_IP, 7))
            assert s.recv(100) == b"wake up", f"datagram {k} is stuck"
            took.append(time.monotonic() - at)
    # some 20 of them come in where another lcore is to be woken
    assert sorted(took)[32] < TICK / 2, "a timer wakes it, and no interrupt"
    assert idle_share(guest) < IDLE_LIMIT
    last = stats_of_queues(guest, 32 * 3 + 40)
    # what speaks for all is counted with the first queue
    assert all(s["interrupts"] for q, s in last.items() if not q or vectors > PAIRS), last
    if mode == TO_ANOTHER:
        text = guest.command("show port xstats all", r"rx_q1_soft_rss_taken: \d+")
        assert int(re.search(r"rx_q1_soft_rss_taken: (\d+)", text)[1]) >= 10
    # parked while they sleep, and back
    for n in range(3):
        guest.command("port stop 0", "^Done")
        assert n or idle_share(guest) < IDLE_LIMIT
        guest.command("port start 0", "^Done")
        echo_flows(netns, flows=32, rounds=1)
    guest.type("poweroff")
    assert guest.wait_exit() == 0
