"""The console: JSON lines as the manual has them, log lines, options and what is said about bad
ones, commands, and the end with a backtrace."""

import re

import pytest

from ringzero import ARCH, STATIC, Nic, wait_until

PORT = {
    "type": str, "port": int, "bdf": str, "transport": str, "mac": str, "features": list,
    "path": str, "rx": str, "tx": str, "isa": str, "rxq": int, "txq": int, "rxd": int, "txd": int,
    "mtu": int, "link": str, "speed": int, "msix": dict,
}
ADDR = {"type": str, "port": int, "family": int, "ip": str, "gw": str, "source": str}
READY = {"type": str, "app": str, "boot_us": int}
STATS = {"type": str, **dict.fromkeys([
    "t_us", "port", "queue", "rx_packets", "rx_bytes", "rx_errors", "rx_nombuf", "tx_packets",
    "tx_bytes", "tx_errors", "tx_dropped", "kicks", "interrupts", "cycles_per_packet",
    "busy_permille"], int)}
COUNTERS = [k for k in STATS if k.startswith(("rx_", "tx_")) or k in ("kicks", "interrupts")]


def check_members(line, wanted):
    assert {k: type(line.get(k)) for k in wanted} == wanted


def test_the_port_line_describes_the_port(serve):
    guest = serve()
    port, = guest.json_lines("port")
    check_members(port, PORT)
    assert re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]", port["bdf"])
    assert port["mac"] == guest.nics[0].mac
    assert port["transport"] == "modern"
    assert (port["rxq"], port["txq"], port["rxd"], port["txd"]) == (1, 1, 256, 256)
    assert (port["mtu"], port["link"], port["speed"]) == (1500, "up", 0xffffffff)
    assert port["isa"] == "scalar"
    assert set(port["msix"]) == {"vectors", "config", "rx"}
    assert all(re.fullmatch(r"VIRTIO_(NET_)?F_[A-Z0-9_]+", f) for f in port["features"])


def test_addr_and_ready_lines(serve):
    guest = serve()
    addr, = guest.json_lines("addr")
    check_members(addr, ADDR)
    assert addr == {"type": "addr", "port": 0, "family": 4, "ip": "10.0.2.15/24",
                    "gw": "10.0.2.2", "source": "static"}
    ready, = guest.json_lines("ready")
    check_members(ready, READY)
    assert ready["app"] == "echo"
    assert 0 < ready["boot_us"] < 30_000_000


def test_stats_lines_come_every_second_and_never_go_back(serve):
    guest = serve()
    for n in range(20):
        assert guest.peer().echo(bytes(n))
    guest.wait_json("stats", after=3)
    lines = guest.json_lines("stats")
    for line in lines:
        check_members(line, STATS)
    for earlier, later in zip(lines, lines[1:]):
        assert all(later[c] >= earlier[c] for c in COUNTERS)
        assert earlier["t_us"] < later["t_us"]
        assert 0 <= later["busy_permille"] <= 1000
    # on a busy machine one line may be late and the next in time
    mean = (lines[-1]["t_us"] - lines[0]["t_us"]) / (len(lines) - 1)
    assert 0.9e6 < mean < 2e6


def test_the_period_of_statistics_can_be_set(serve):
    guest = serve(options=f"{STATIC} stats.period=3")
    guest.wait_json("stats", after=1)
    first, second = guest.json_lines("stats")[:2]
    assert 2.5e6 < second["t_us"] - first["t_us"] < 4.5e6


def test_statistics_can_be_text_or_off(start):
    text = start(nics=[Nic()], options=f"{STATIC} stats=text")
    off = start(nics=[Nic()], options=f"{STATIC} stats=off")
    text.wait_text(r"echo.*(serv|ready)|ready", limit=20)
    text.wait_text(r"^port +rx/s +tx/s ", limit=10)
    text.wait_text(r"^0\.0( +[\d.]+[KMG]?){12} +\d+%$", limit=10)
    off.wait_text("ready", limit=20)
    assert off.peer().echo(b"anybody there")
    assert not text.json_lines()
    assert not off.json_lines()


def test_log_lines_have_time_and_subsystem(serve):
    guest = serve()
    first = next(i for i, line in enumerate(guest.lines) if line.startswith("["))
    for line in guest.lines[first:]:
        if line and not line.startswith("{"):
            assert re.match(r"\[ {0,4}\d+\.\d{6}\] [\w/-]+: ", line), line


# ---- options -----------------------------------------------------------------------------------


def test_fw_cfg_wins_over_the_command_line(serve):
    guest = serve(options=f"{STATIC} net.mtu=1400 net.rxd=128", fw_cfg="net.mtu=1300")
    port, = guest.json_lines("port")
    assert (port["mtu"], port["rxd"]) == (1300, 128)


def test_of_two_words_the_later_wins(serve):
    guest = serve(options=f"{STATIC} net.mtu=1400 net.mtu=1200")
    assert guest.json_lines("port")[0]["mtu"] == 1200


def test_a_port_s_own_word_wins_wherever_it_stands(start):
    guest = start(nics=[Nic(), Nic()],
                  options="net0.ip=10.0.2.15/24 net1.mtu=1300 net.ip=off net.mtu=1400")
    guest.wait_ready()
    assert [p["mtu"] for p in guest.json_lines("port")] == [1400, 1300]
    assert [a["port"] for a in guest.json_lines("addr")] == [0]


@pytest.mark.parametrize("word,said", [
    ("net.rxdd=256", ["net.rxdd", "net.rxd"]),
    ("aap=echo", ["aap", "app"]),
    ("net0.mtuu=1400", ["net0.mtuu", "net0.mtu"]),
    ("net.mtu=67", ["net.mtu", "67", "68"]),
    ("net.mtu=banana", ["net.mtu", "banana"]),
    ("net.mtu=", ["net.mtu"]),
    ("app=frobnicate", ["frobnicate", "echo"]),
    ("net.ip=10.0.2.300/24", ["net.ip", "10.0.2.300/24"]),
    ("net.ip=10.0.2.15/33", ["net.ip", "10.0.2.15/33"]),
    ("net.mac=01:02:03:04:05:06", ["net.mac", "01:02:03:04:05:06"]),
    ("stats=xml", ["stats", "xml", "json"]),
    ("log=virtio_net:loud", ["log", "loud"]),
    ("nonsense", ["nonsense"]),
    ("=5", ["=5"]),
])
def test_a_bad_word_ends_the_boot(start, word, said):
    guest = start(nics=[Nic()], options=f"{STATIC} {word}")
    assert guest.wait_exit() != 0
    errors = guest.json_lines("error")
    assert len(errors) >= 1
    text = " ".join(line for line in guest.lines if not line.startswith("{"))
    assert all(s in text for s in said), text
    assert not guest.json_lines("ready")


def test_stop_on_error_0_goes_on_with_the_good_words(serve):
    guest = serve(options=f"stop_on_error=0 net.rxdd=12 net.mtu=banana {STATIC} net.rxd=128")
    assert guest.json_lines("port")[0]["rxd"] == 128
    assert guest.peer().echo(b"still here")
    assert any("net.rxdd" in line for line in guest.lines)
    assert any("banana" in line for line in guest.lines)


def test_a_very_long_command_line_does_no_harm(start):
    guest = start(nics=[Nic()], options=f"{STATIC} " + "x" * 1500 + "=1")
    assert guest.wait_exit() != 0
    assert guest.json_lines("error")


# ---- commands and the end ----------------------------------------------------------------------


def test_an_unknown_command_is_said_and_help_lists_them(serve):
    guest = serve()
    guest.type("frobnicate", wrong=True)
    guest.wait_text(r'unknown command "frobnicate"', limit=10)
    guest.type("help")
    guest.wait_text("poweroff", limit=10)
    assert guest.peer().echo(b"still here")


BARS = [r"Region 0: I/O ports at [0-9a-f]+ \[size=32\]",
        r"Region 1: Memory at [0-9a-f]+ \(32-bit, non-prefetchable\) \[size=4K\]",
        r"Region 4: Memory at [0-9a-f]+ \(64-bit, prefetchable\) \[size=16K\]"]


# what stands on the bus, the network card last
FUNCTIONS = {"x86_64": ["00:00.0", "00:01.0", "00:01.1", "00:01.3", "00:02.0"],
             "aarch64": ["00:00.0", "00:01.0"]}[ARCH]
NIC = FUNCTIONS[-1]


def nic_part(text):
    """Of a list of PCI functions, what is said of the network card (which is the last one)."""
    return re.search(rf"{NIC} Ethernet controller: .*\[1af4:1000\].*", text, re.DOTALL)[0]


def test_lspci_lists_the_functions(serve):
    guest = serve()
    shown = guest.command("lspci", rf"^{NIC} Ethernet")
    functions = re.findall(r"^(00:\d\d\.\d) .* \[[0-9a-f]{4}:[0-9a-f]{4}\]", shown, re.MULTILINE)
    assert functions == FUNCTIONS


def test_lspci_vv_shows_the_regions_with_their_sizes(serve):
    guest = serve()
    nic = nic_part(guest.command("lspci -vv", r"VirtIO: CommonCfg"))
    for bar in BARS:
        assert re.search(bar, nic), bar
    assert re.search(r"Control: I/O\+ Mem\+ BusMaster\+", nic)
    assert re.search(r"MSI-X: Enable\+ Count=4 Masked-", nic)


def test_lspci_x_shows_the_registers(serve):
    guest = serve()
    start = len(guest.read())
    guest.command("lspci -x", rf"^{NIC} ")
    guest.wait_text(r"^30: ", after=next(i for i, line in enumerate(guest.read())
                                         if i >= start and line.startswith(NIC)))
    nic = nic_part("\n".join(guest.read()[start:]))
    rows = re.findall(r"^[0-3]0:((?: [0-9a-f]{2}){16})$", nic, re.MULTILINE)
    registers = bytes.fromhex("".join(rows))
    assert len(registers) == 64
    assert registers[:4] == bytes.fromhex("f41a0010")
    assert registers[0x2c:0x30] == bytes.fromhex("f41a0100")


def test_the_log_of_pci_shows_the_regions_before_the_driver_has_the_card(serve):
    guest = serve(options=f"{STATIC} log=pci:debug")
    nic = nic_part("\n".join(guest.read()))
    for bar in BARS:
        assert re.search("pci: +" + bar.replace(r" \[size", r"( \[disabled\])? \[size"), nic), bar
    assert "BusMaster-" in nic


def test_show_port_info_prints_the_port_lines_again(start):
    guest = start(nics=[Nic(), Nic()], options="net0.ip=10.0.2.15/24 net1.ip=10.0.3.15/24")
    guest.wait_ready()
    first = guest.json_lines("port")
    guest.type("show port info all")
    guest.wait_json("port", limit=10, after=3)
    assert guest.json_lines("port")[2:] == first


def test_show_echo_counts_what_was_echoed(serve):
    guest = serve()
    for n in range(3):
        assert guest.peer().echo(bytes(n))
    assert "echo: 3 echoed, 0 dropped" in guest.command("show echo", "^echo: ")
    guest.peer().send(guest.peer().udp_frame(b"from an echo", sport=7))
    assert guest.peer().ping()
    assert "echo: 3 echoed, 1 dropped" in guest.command("show echo", "^echo: ")


def test_ports_stop_and_start(start):
    guest = start(nics=[Nic(), Nic()], options="net0.ip=10.0.2.15/24 net1.ip=10.0.2.15/24")
    guest.wait_ready()
    assert guest.peer(0).echo(b"hello") and guest.peer(1).echo(b"hello")
    shown = guest.command("port stop 0", "^Done")
    assert "Stopping ports..." in shown
    assert not guest.peer(0).echo(b"nobody", limit=0.3)
    assert guest.peer(1).echo(b"the other goes on")
    shown = guest.command("port start all", "^Done")
    assert re.search(f"^Port 0: {guest.nics[0].mac.upper()}$", shown, re.MULTILINE)
    assert "Port 1 is now not stopped" in shown
    wait_until(lambda: guest.peer(0).echo(b"hello", limit=0.2), 10, "an echo")
    guest.command("port stop all", "^Done")
    assert not guest.peer(1).echo(b"nobody", limit=0.3)
    guest.command("port start 1", "^Done")
    wait_until(lambda: guest.peer(1).echo(b"hello", limit=0.2), 10, "an echo")

    shown = guest.command("show port stats 1", r"^  #{76}$")
    stats = re.search(r"  #{24} NIC statistics for port 1  #{24}\n"
                      r"  RX-packets: (\d+) +RX-missed: 0 +RX-bytes:  (\d+)\n  RX-errors: (\d+)\n"
                      r"  RX-nombuf:  (\d+) *\n  TX-packets: (\d+) +TX-errors: 0 +TX-bytes:  (\d+)\n\n"
                      r"  Throughput \(since last show\)\n  Rx-pps: +\d+          Rx-bps: +\d+\n"
                      r"  Tx-pps: +\d+          Tx-bps: +\d+", shown)
    now = guest.fresh_stats(1)  # a little later: announcements may have been sent
    received, rx_bytes, errors, nombuf, sent, tx_bytes = map(int, stats.groups())
    assert (received, rx_bytes, errors, nombuf) == tuple(
        now[name] for name in ("rx_packets", "rx_bytes", "rx_errors", "rx_nombuf"))
    assert 0 < sent <= now["tx_packets"] and 0 < tx_bytes <= now["tx_bytes"]

    for wrong, said in (("port stop 2", "a number below 2"), ("port start", "give all, or a number"),
                        ("port 0", "port: a port"), ("show port stats x", "give all, or a number")):
        guest.command(wrong, said, wrong=True)
    for word in ("start", "stop", "set fwd mac"):
        guest.command(word, "for app=testpmd alone; app=echo has nothing to start", wrong=True)


def test_garbage_typed_does_no_harm(serve):
    guest = serve()
    guest.process.stdin.write(bytes(range(1, 256)) * 4)
    guest.process.stdin.flush()
    guest.type("", wrong=True)
    guest.type("x" * 500, wrong=True)
    assert guest.peer().echo(b"still here")
    guest.type("", wrong=True)
    guest.type("poweroff", wrong=True)
    assert guest.wait_exit() == 0


REGISTERS = {"x86_64": ("rax", "rsp", "r15", "cr2"),
             "aarch64": ("x0", "sp", "x30", "far")}[ARCH]


@pytest.mark.parametrize("how,said", [
    ("null", r"(?i)page fault"),
    ("ud", r"(?i)invalid opcode|breakpoint instruction"),
    ("stack", r"stack overflow"),
    ("code", r"write to [0-9a-fx]+"),
    ("exec", r"execut\w+"),
    ("panic", r"asked for at the console"),
])
def test_a_crash_shows_registers_and_a_backtrace_with_names(serve, how, said):
    guest = serve()
    guest.type(f"debug crash {how}")
    assert guest.wait_exit() not in (0, None)
    text = "\n".join(guest.lines)
    assert re.search(said, text)
    if how != "panic":
        for register in REGISTERS:
            assert re.search(rf"\b{register} +[0-9a-f]{{16}}", text), register
    if how != "stack":
        assert re.search(r"\bconsole_\w+", text), "a caller by name"
        assert re.search(r"\bk?main\w*", text), "up to main"


def test_a_crash_without_debug_exit_ends_by_a_reset(serve):
    guest = serve(debug_exit=False)
    guest.type("debug crash null")
    guest.wait_exit()
    assert any(REGISTERS[1] in line for line in guest.lines)
