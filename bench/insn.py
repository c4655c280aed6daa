"""Guest instructions per packet, from the counts of tools/tcgcount.c.

A guest that polls executes instructions all the time; only those of turns that found packets are
the packets'. Two intervals are compared: one without traffic, one with.

1. In the idle interval the blocks of the polling loop are the ones executed (nearly) once a turn.
   What runs far more rarely is housekeeping: timers, console, by the clock and not by turns.
2. In the loaded interval, every idle turn executed every block of the idle turn. A block that busy
   turns execute as well was executed more often, one that belongs to idle turns alone exactly as
   often as there were idle turns. So the smallest ratio loaded/idle among the loop's blocks is
   the number of idle turns (as a multiple of those in the idle interval). Were there no block of
   idle turns alone, busy turns would be counted as idle ones, and the figure too low by one idle
   turn (about 100 instructions) for each busy turn; the report shows what an idle turn costs.
3. Taken out: the idle turns by that ratio, and housekeeping by the lengths of the intervals. The
   rest, divided by the packets answered, is the figure. Whatever a busy turn executes is in it,
   the shared blocks of the loop included.

`packet_only` counts only blocks that never ran while idle: a lower bound, free of any estimate.
"""

import bisect
import subprocess
from dataclasses import dataclass, field

MAGIC = 0x746e756f63676374
HEADER_WORDS = 3
LOOP_SHARE = 0.5  # of the most executed block's count: the loop's own blocks are above this


def snapshot(path):
    """{(address, instructions): executions} at this moment."""
    words = memoryview(path.read_bytes()).cast("Q")
    if words[0] != MAGIC:
        raise ValueError(f"{path}: not a file of tcgcount")
    if words[2]:
        raise ValueError(f"{path}: {words[2]} blocks found no place, the counts are too low")
    body = words[HEADER_WORDS:]
    used = [i for i in range(0, len(body), 3) if body[i + 1]]
    return {(body[i], body[i + 1]): body[i + 2] for i in used}


def interval(before, after):
    """Executions between two snapshots."""
    counts = {block: n - before.get(block, 0) for block, n in after.items()}
    return {block: n for block, n in counts.items() if n}


@dataclass
class Cost:
    per_packet: float
    packet_only: float
    idle_turn: float            # instructions of a turn that finds nothing
    idle_turns_per_packet: float
    housekeeping: float         # instructions a second
    functions: list = field(default_factory=list)  # (name, instructions per packet), dearest first


class Symbols:
    """Names of an ELF file's functions; nm is its architecture's, base is where address 0 is."""

    def __init__(self, elf, nm="nm", base=0):
        text = subprocess.run([nm, "-n", str(elf)], capture_output=True, text=True,
                              check=True).stdout
        found = [line.split() for line in text.splitlines()]
        self.table = [(int(w[0], 16) + base, w[2]) for w in found if len(w) == 3 and w[1] in "tTwW"]
        self.addresses = [a for a, _ in self.table]

    def name(self, address):
        at = bisect.bisect_right(self.addresses, address) - 1
        return self.table[at][1] if at >= 0 else f"{address:#x}"


def cost(idle, idle_s, loaded, loaded_s, packets, symbols=None):
    """What a packet costs, from an interval without and one with traffic."""
    most = max(idle.values())
    loop = {b for b, n in idle.items() if n >= LOOP_SHARE * most}
    ratio = min(loaded.get(b, 0) / idle[b] for b in loop)
    time_ratio = loaded_s / idle_s
    rest, by_name, rare = 0.0, {}, 0.0
    for block, n in loaded.items():
        address, insns = block
        taken = idle.get(block, 0) * (ratio if block in loop else time_ratio)
        left = max(n - taken, 0) * insns
        rest += left
        if symbols:
            name = symbols.name(address)
            by_name[name] = by_name.get(name, 0) + left / packets
    for block, n in idle.items():
        if block not in loop:
            rare += n * block[1]
    turns = min(idle[b] for b in loop)
    return Cost(
        per_packet=rest / packets,
        packet_only=sum(n * b[1] for b, n in loaded.items() if b not in idle) / packets,
        idle_turn=sum(idle[b] * b[1] for b in loop) / turns,
        idle_turns_per_packet=ratio * turns / packets,
        housekeeping=rare / idle_s,
        functions=sorted(by_name.items(), key=lambda f: -f[1]),
    )
