#!/usr/bin/python3
"""What a packet costs in each path: the figures of bench/vec_paths.c as a table.

    make bench-paths        or: bench/paths.py FOLDER-OF-THE-PROGRAMS [--markdown]

Two programs of the same source: the driver as it is, and compiled without its checks of what the
device says. Cycles are the least of several runs of both in turns, as the machine may be busy and
its frequency not constant; instructions are counted one by one and come out the same every time.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path

RUNS = 7                # of the programs for cycles
LIMIT = 300             # seconds for one run
PROGRAMS = ("vec_paths", "vec_paths_unchecked")
TARGETS = {             # path: instructions, at most this share of the scalar path's
    "Split virtqueue vectorized Rx path": 60,
    "Packed virtqueue vectorized Rx path": 50,
    "Packed virtqueue vectorized Tx path": 50,
}
CHECKS_TARGET = 3       # cycles a packet that the checks may cost
DPDK_TARGET = 60        # instructions, at most this share of DPDK's
PEERS = Path(__file__).with_name("peers.json")


def run(program, what):
    """{(direction, path, function, isa): figure}, in the program's order."""
    done = subprocess.run([program, what], capture_output=True, text=True, timeout=LIMIT, check=True)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    return {tuple(row[:4]): float(row[4]) for row in rows}


def measure(tools):
    """A list of rows: what the path is, its figures, and those of the scalar path before it."""
    cycles = [{}, {}]
    for _ in range(RUNS):
        for best, program in zip(cycles, PROGRAMS):
            for key, n in run(tools / program, "cycles").items():
                best[key] = min(n, best.get(key, n))
    counts = [run(tools / program, "instructions") for program in PROGRAMS]
    rows, base = [], None
    for key in cycles[0]:
        direction, path, function, isa = key
        row = {"direction": direction, "path": path, "function": function, "isa": isa,
               "cycles": cycles[0][key], "insn": counts[0][key],
               "check_cycles": cycles[0][key] - cycles[1][key],
               "check_insn": counts[0][key] - counts[1][key]}
        base = row if isa == "scalar" else base
        row["cycles_percent"] = 100 * row["cycles"] / base["cycles"]
        row["insn_percent"] = 100 * row["insn"] / base["insn"]
        rows.append(row)
    return rows


def verdicts(rows):
    """One line for each target."""
    for path, limit in TARGETS.items():
        found = [r for r in rows if r["path"] == path]
        if found:
            worst = max(r["insn_percent"] for r in found)
            yield (f"{path}: {worst:.0f} % of the scalar path's instructions, target {limit} %"
                   f"{'' if worst <= limit else ': MISSED'}")
    checks = statistics.median(r["check_cycles"] for r in rows)
    yield (f"checks of what the device says: {checks:.1f} cycles a packet (median of the rows), "
           f"target {CHECKS_TARGET}{'' if checks <= CHECKS_TARGET else ': MISSED'}")


def beside_dpdk(rows):
    """(path, isa, rx, tx, DPDK's sum, percent of it) of each path that DPDK was counted on."""
    def find(direction, path, vector):
        kind = "non-mergeable" if direction == "tx" and not vector else None
        name = path if not kind or "non-" in path else path.replace("mergeable", kind)
        if vector and direction == "tx":
            name = {"Split": "Split virtqueue simple Tx path",
                    "Packed": "Packed virtqueue vectorized Tx path"}[path.split()[0]]
        return next((r for r in rows if r["direction"] == direction and r["path"] == name
                     and (r["isa"] != "scalar") == vector), None)
    for path, figures in json.loads(PEERS.read_text())["dpdk_insn"].items():
        rx, tx = (find(d, path, "vectorized" in path) for d in ("rx", "tx"))
        if rx and tx:
            own = rx["insn"] + tx["insn"]
            yield path, rx["isa"], rx["insn"], tx["insn"], sum(figures), 100 * own / sum(figures)


HEAD = ("", "path", "function", "isa", "cycles", "%", "insn", "%", "checks: cycles", "insn")


def cells(row):
    return (row["direction"], row["path"], row["function"], row["isa"], f"{row['cycles']:.1f}",
            f"{row['cycles_percent']:.0f}", f"{row['insn']:.1f}", f"{row['insn_percent']:.0f}",
            f"{row['check_cycles']:.1f}", f"{row['check_insn']:.1f}")


DPDK_HEAD = ("path", "isa", "rx", "tx", "sum", "DPDK", "%")


def dpdk_cells(row):
    path, isa, rx, tx, theirs, percent = row
    return path, isa, f"{rx:.0f}", f"{tx:.0f}", f"{rx + tx:.0f}", f"{theirs}", f"{percent:.0f}"


def short_name(row):
    """Of a picture's bar."""
    name = row["path"].replace("virtqueue ", "").replace(" path", "").replace("vectorized ", "")
    return f"{name}, {row['isa']}"


def print_table(rows):
    from rich.console import Console
    from rich.table import Table
    table = Table(title="cycles and instructions per packet; % of the scalar path",
                  title_justify="left")
    for i, title in enumerate(HEAD):
        table.add_column(title, justify="left" if i < 4 else "right", no_wrap=True)
    for row in rows:
        table.add_row(*cells(row), end_section=row is rows[-1])
    Console(width=150).print(table)
    for line in verdicts(rows):
        print(line)
    table = Table(title=f"instructions beside DPDK 22.11; target {DPDK_TARGET} %",
                  title_justify="left")
    for i, title in enumerate(DPDK_HEAD):
        table.add_column(title, justify="left" if i < 2 else "right", no_wrap=True)
    for row in beside_dpdk(rows):
        table.add_row(*dpdk_cells(row))
    Console(width=150).print(table)


def print_markdown(rows):
    print("| " + " | ".join(HEAD) + " |")
    print("|---" * 4 + "|--:" * (len(HEAD) - 4) + "|")
    for row in rows:
        print("| " + " | ".join(cells(row)) + " |")
    print("\n| " + " | ".join(DPDK_HEAD) + " |")
    print("|---" * 2 + "|--:" * (len(DPDK_HEAD) - 2) + "|")
    for row in beside_dpdk(rows):
        print("| " + " | ".join(dpdk_cells(row)) + " |")


def main(argv):
    if len(argv) < 2:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    rows = measure(Path(argv[1]))
    (print_markdown if "--markdown" in argv else print_table)(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
