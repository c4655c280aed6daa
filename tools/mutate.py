#!/usr/bin/python3
"""Break the ring verbs and bodies in small ways, and see whether the unit tests notice.

    tools/mutate.py                    a sample of mutants; exit 1 when too many survive
    tools/mutate.py --all -j4          every mutant
    tools/mutate.py --list             what there is, without running anything
    tools/mutate.py --only vnet_rx.h   of one file; --only NAME for one mutant
    tools/mutate.py --all --again      those that no run before has killed ($BUILD/mutate.log)

A mutant is one change of one line, named FILE:LINE:OPERATOR[:N]. Each runs in a private copy of
the tree: the unit tests of rings and driver, what depends on the file compiled again with -O1, run
one by one until one fails, first those that are likely to. Outcomes:

    killed      a test failed, crashed or hung, or the compiler refused
    same code   the compiler made the very same objects: nothing to see on this processor
    explained   it survives, and docs/testing.md says why (table "Mutants that may survive")
    SURVIVED    nobody noticed

The kill rate is that of killed among all but "same code"; an explained mutant counts as alive.
Rings that the device model of the tests cannot do yet are left out, and said to be.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import copy
import dataclasses
import os
import pathlib
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
DRIVER = "drivers/virtio"
FILES = ("vq_split.h", "vq_packed.h", "vq.h", "virtqueue.h", "vnet_rx.h", "vnet_tx.h", "vnet_hdr.h",
         "vq_split.c", "vq_packed.c", "virtqueue.c",
         *(f"vec/{name}.h" for name in (
             "vec_packed", "vec_split", "vec_batch", "vec_x86", "vec_sse", "vec_avx2", "vec_avx512",
             "vnet_vec_rx", "vnet_vec_rx_packed", "vnet_vec_rx_split",
             "vnet_vec_tx", "vnet_vec_tx_packed", "vnet_vec_tx_split")))
COPIED = ("Makefile", "kernel", "net", "drivers", "apps", "arch", "tests", "tools", "bench")
TEST_PATTERNS = ("test_vq_*.c", "test_vnet_[rt]x.c", "test_vnet_[!rt]*.c",
                 "test_virtio_net*.c", "test_differential.c", "test_vec.c", "test_spec.c")
# Vector code is made once for each instruction set, all of them alike: what is shared is broken, and
# the tests of receiving and sending run once more, for the one that has all of it.
VECTOR_PATTERNS = ("test_vec.c", "test_vnet_{way}x_{isa}.c", "test_differential.c",
                   "test_vnet_books_{isa}.c", "test_vnet_offload_{isa}.c")
VECTOR_WAYS = (("vnet_vec_rx", "r"), ("vnet_vec_tx", "t"))  # by how a file's name begins; else both
VECTOR_ISAS = ("sse", "avx512")  # by a file's name; else avx2
VECTOR_REFERENCE = "vec/vec_batch.h"  # what they are compared with has it too, so all are broken
VECTOR_TWIN = re.compile(r"_(sse|avx2|avx512|neon)$")  # tests of another once more
VECTOR_OBJECT = re.compile(r"/(?:vnet_vec|vec_set)_(sse|avx2|avx512|scalar)\.o$")
CFLAGS = "-std=gnu11 -O1 -w -I. -MMD -MP -fno-common -fno-strict-aliasing"
OBJECTS = "b/unit/obj"
ARCHIVE = "b/unit/libringzero.a"
VECTORS = "vec/"  # half the time of compiling: for mutants of other files done for one test only
VECTOR_TEST = "test_vec"
CPU_SECONDS = 20  # for one test, which is a process
TEST_SECONDS = 60  # and ten times what the unbroken program takes: other programs may run as well
BASELINE_SECONDS = 600
BUILD_SECONDS = 1800
LOG = pathlib.Path(os.environ.get("BUILD", ROOT / "build")) / "mutate.log"  # all results so far
DEAD = ("killed", "same code")
DOC = "docs/testing.md"
DOC_TABLE = "### Mutants that may survive"

# (name, pattern, replacement): each match in the code of a function's body is a mutant.
OPERATORS = (
    ("less-or-equal", r"(?<=\s)<(?=\s)", "<="),
    ("less", r"(?<=\s)<=(?=\s)", "<"),
    ("greater-or-equal", r"(?<=\s)>(?=\s)", ">="),
    ("greater", r"(?<=\s)>=(?=\s)", ">"),
    ("not-equal", r"==", "!="),
    ("equal", r"!=", "=="),
    ("or", r"&&", "||"),
    ("and", r"\|\|", "&&"),
    ("not", r"(?<=[(\s])!(?=[\w(])", ""),
    ("ternary", r"(?<=\S) \? (?=\S)", " ? 0 && "),
    ("plus-one-more", r"\+ 1(u?)\b", r"+ 2\1"),
    ("plus-nothing", r"\+ 1(u?)\b", r"+ 0\1"),
    ("minus-nothing", r"- 1(u?)\b", r"- 0\1"),
    ("minus", r"(?<=[\w)\]]) \+ (?=[\w(])(?!1\b|1u)", " - "),
    ("plus", r"(?<=[\w)\]]) - (?=[\w(])(?!1\b|1u)", " + "),
    ("decrement", r"\+\+", "--"),
    ("or-bits", r"(?<=[\w)]) & (?=[\w(~])", " | "),
    ("and-bits", r"(?<=[\w)]) \| (?=[\w(])", " & "),
    ("set-not-toggle", r"\^=", "|="),
    ("add-becomes-set", r"\+=", "="),
    ("half", r" / 2\b", " / 1"),
    ("start-at-one", r"= 0;", "= 1;"),
    ("start-at-zero", r"= 1;", "= 0;"),
    ("false", r"\btrue\b", "false"),
    ("true", r"\bfalse\b", "true"),
    ("barrier-release", r"\bring_store_release\b", "ring_store_relaxed"),
    ("barrier-acquire", r"\bring_load_acquire\b", "ring_load_relaxed"),
    ("barrier-full", r"\bring_fence_full\(\);", ";"),
    ("no-next", r"\bVRING_DESC_F_NEXT\b", "0"),
    ("no-write", r"\bVRING_DESC_F_WRITE\b", "0"),
    ("no-indirect", r"\bVRING_DESC_F_INDIRECT\b", "0"),
    ("used-for-avail", r"\bVQ_PACKED_AVAIL\b", "VQ_PACKED_USED"),
    ("avail-for-used", r"\bVQ_PACKED_USED\b", "VQ_PACKED_AVAIL"),
    ("16-bit-lost", r"\(uint16_t\)\((?=vq->[\w.>-]+ -)", "(uint32_t)("),
)
ASSIGNMENT = re.compile(r"^\t+(\*?[\w>.\[\]&\- ()]+) [-+^|&]?= [^;]*;$")
CALL = re.compile(r"^\t+[a-z]\w*\([^;]*\);$")
DECLARATION = re.compile(r"^\t+(const |struct |uint\d+_t |unsigned |bool |int |size_t )")
STEP = re.compile(r"^\t+([\w>.\-\[\]]+)(\+\+|--);$")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
FUNCTION = re.compile(r"^[A-Za-z].*?\b(\w+)\(")
RING_BLOCK = re.compile(r"^(\t+)(\} else )?if \((?:ring|how|path) & V\w+_(PACKED|IN_ORDER)\)")
RING_CHOICE = re.compile(r"\((?:ring|how|path) & V\w+_(PACKED|IN_ORDER)\) \?")
RING_WORDS = (("packed", re.compile(r"packed", re.IGNORECASE)),
              ("in_order", re.compile(r"in_order|in_batch|batch_|order_head|full_len")))


@dataclasses.dataclass(frozen=True)
class Mutant:
    file: str
    line: int
    operator: str
    nth: int
    function: str
    rings: tuple
    old: str
    new: str
    same: int = 0  # how many of the same key stand before it in the file

    @property
    def identity(self):
        """What it is called in the log: a line number would not last."""
        return f"{self.file}: {self.key}" + (f" #{self.same}" if self.same else "")

    @property
    def name(self):
        suffix = f":{self.nth}" if self.nth else ""
        return f"{self.file}:{self.line}:{self.operator}{suffix}"

    @property
    def key(self):
        """What docs/testing.md calls it."""
        suffix = f":{self.nth}" if self.nth else ""
        return f"{self.function}: {self.operator}{suffix}: {self.old.strip()}"


# ---- making mutants ------------------------------------------------------------------------------

def blanked(text):
    """The text with comments and strings as spaces, everything in its place."""
    return COMMENT_OR_STRING.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), text)


def line_rings(lines):
    """For each line the rings that it is for; none: all of them."""
    rings = [set() for _ in lines]
    for number, line in enumerate(lines):
        for ring, words in RING_WORDS:
            if words.search(line) and not RING_BLOCK.match(line) and "?" not in line:
                rings[number].add(ring)
        block = RING_BLOCK.match(line)
        if not block:
            continue
        ring = block.group(3).lower()
        indent = len(block.group(1))
        for inner in range(number + 1, len(lines)):
            inside = lines[inner]
            if inside.strip() and len(inside) - len(inside.lstrip("\t")) <= indent:
                break
            rings[inner].add(ring)
    return rings


def line_mutants(code):
    """(operator, n-th of the line, new code) for each change of a line of code."""
    for name, pattern, new in OPERATORS:
        for nth, match in enumerate(re.finditer(pattern, code)):
            changed = code[:match.start()] + match.expand(new) + code[match.end():]
            if changed != code:
                yield name, nth, changed
    if DECLARATION.match(code):
        return
    indent = code[:len(code) - len(code.lstrip())]
    if ASSIGNMENT.match(code) or STEP.match(code):
        yield "dropped-assignment", 0, indent + ";"
    elif CALL.match(code):
        yield "dropped-call", 0, indent + ";"


def file_mutants(file):
    text = (ROOT / DRIVER / file).read_text()
    originals = text.split("\n")
    lines = blanked(text).split("\n")
    rings = line_rings(lines)
    function = None
    inside = False
    for number, code in enumerate(lines):
        head = FUNCTION.match(code)
        if head and not inside:
            function = head.group(1)
        if code.rstrip() == "{":
            inside = True
        elif code.startswith("}"):
            inside = False
        if not inside or not code.strip() or code.strip().startswith(("#", "assert(")):
            continue
        of = set(rings[number])
        of |= {ring for ring, words in RING_WORDS if words.search(function or "")}
        if "packed" in file:
            of.add("packed")
        seen = set()
        for operator, nth, changed in line_mutants(code.rstrip()):
            if changed in seen:
                continue
            seen.add(changed)
            choice = RING_CHOICE.search(code)
            if choice and operator == "ternary":
                of = of | {choice.group(1).lower()}
            yield Mutant(file, number + 1, operator, nth, function, tuple(sorted(of)),
                         originals[number], changed)


def vector_isa(file):
    return next((isa for isa in VECTOR_ISAS if file == f"{VECTORS}vec_{isa}.h"), "avx2")


def tests_of(file):
    patterns, others = TEST_PATTERNS, VECTOR_TWIN
    if file.startswith(VECTORS):
        way = next((way for begins, way in VECTOR_WAYS if file.startswith(VECTORS + begins)), "[rt]")
        patterns = [p.format(way=way, isa=vector_isa(file)) for p in VECTOR_PATTERNS]
        others = None
    return {path.stem for pattern in patterns for path in (ROOT / "tests/unit").glob(pattern)
            if not (others and others.search(path.stem))}


def tested_rings():
    """Rings that the device model can do, so that tests of them can be."""
    model = "".join(p.read_text() for p in sorted((ROOT / "tests/model").glob("*.[ch]")))
    return {ring for ring, feature in (("packed", "VIRTIO_F_RING_PACKED"),
                                       ("in_order", "VIRTIO_F_IN_ORDER")) if feature in model}


def explained_keys():
    """Mutant keys in the first column of the table in docs/testing.md."""
    keys = set()
    doc = (ROOT / DOC).read_text()
    if DOC_TABLE in doc:
        section = re.split(r"^##", doc.split(DOC_TABLE, 1)[1], maxsplit=1, flags=re.MULTILINE)[0]
        for row in re.findall(r"^\| `([^`]*)` \|", section, flags=re.MULTILINE):
            keys.add(row.replace("\\|", "|"))
    return keys


# ---- running one ---------------------------------------------------------------------------------

class Tree:
    """A private copy of the sources, built once. For a mutant only what depends on its file is
    compiled, and of that only what the next program is linked from."""

    def __init__(self, where, tests):
        self.root = pathlib.Path(where)
        self.tests = tests
        self.limits = {}  # seconds, by test
        self.root.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name)
            elif source.exists():
                shutil.copy(source, self.root / name)
        built = self.make([f"b/unit/{test}" for test in tests])
        if built.returncode:
            raise SystemExit(f"mutate: the unbroken tree does not build:\n{built.stdout}")
        objects = [str(path.relative_to(self.root)) for path in (self.root / OBJECTS).rglob("*.o")]
        self.pristine = {path: (self.root / path).read_bytes() for path in objects}
        self.parts = {test: self.linked_from(test) for test in tests}

    def twin(self, where):
        """A copy that needs no building."""
        other = copy.copy(self)
        other.root = pathlib.Path(where)
        shutil.copytree(self.root, other.root)
        return other

    def run_tool(self, *command):
        return subprocess.run(command, cwd=self.root, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=BUILD_SECONDS,
                              check=False)

    def make(self, goals):
        return self.run_tool("make", "-s", "BUILD=b", f"CFLAGS_COMMON={CFLAGS}", *goals)

    def linked_from(self, test):
        """The objects of a test program: its own, and what the linker took from the archive."""
        own = f"{OBJECTS}/tests/unit/{test}.o"
        linked = self.run_tool("gcc", "-Wl,-Map=b/map", "-o", f"b/unit/{test}", own, ARCHIVE,
                               "-lcriterion")
        if linked.returncode:
            raise SystemExit(f"mutate: {test} cannot be linked:\n{linked.stdout}")
        names = set(re.findall(re.escape(ARCHIVE) + r"\(([^)]+)\)", (self.root / "b/map").read_text()))
        members = [path for path in self.pristine if os.path.basename(path) in names]
        if len(members) != len(names):
            raise SystemExit("mutate: two objects of the same name in the archive")
        return [own, *members]

    def dependents(self, file):
        """The objects that are compiled again when this file changes."""
        found = {path for path in self.pristine
                 if f" {DRIVER}/{file}" in (self.root / path).with_suffix(".d").read_text()}
        if not file.startswith(VECTORS) or file == VECTOR_REFERENCE:
            return found
        return {path for path in found
                if (VECTOR_OBJECT.search(path) or [""] * 2)[1] in ("", vector_isa(file))}

    def tests_of(self, file):
        wanted = tests_of(file)
        return [test for test in self.tests if test in wanted]

    def failing_test(self, test):
        """What a test program dies of, None when it passes."""
        # a session of its own, as each test is a process that has to go when time is up
        with subprocess.Popen(["prlimit", f"--cpu={CPU_SECONDS}", "--core=0", f"b/unit/{test}",
                               "--fail-fast", "-j1", "--color=never"],
                              cwd=self.root, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL, start_new_session=True) as process:
            try:
                return test if process.wait(self.limits.get(test, BASELINE_SECONDS)) else None
            except subprocess.TimeoutExpired:
                return f"{test} (hangs)"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def run(self, mutant, odds):
        """(outcome, who killed it)"""
        path = self.root / DRIVER / mutant.file
        original = path.read_text()
        lines = original.split("\n")
        lines[mutant.line - 1] = mutant.new
        path.write_text("\n".join(lines))
        stale = self.dependents(mutant.file)
        plain = {name for name in stale if f"{DRIVER}/{VECTORS}" not in name}
        compiled = set()
        try:
            outcome = "same code"
            for test in odds.order(mutant.file, self.tests_of(mutant.file)):
                start = time.monotonic()
                vectors = mutant.file.startswith(VECTORS) or test == VECTOR_TEST
                state, who = self.run_test(test, stale if vectors else plain, compiled)
                odds.note(mutant.file, test, time.monotonic() - start, state == "killed")
                if state == "killed":
                    return state, who
                if state == "passed":
                    outcome = "SURVIVED"
            return outcome, ""
        finally:
            path.write_text(original)
            for name in compiled:  # newer than the source again
                (self.root / name).write_bytes(self.pristine[name])

    def run_test(self, test, stale, compiled):
        """("killed", who), ("passed", "") or ("same code", "")"""
        parts = self.parts[test]
        goals = [name for name in parts if name in stale - compiled]
        compiled.update(goals)
        if goals and self.make(goals).returncode:
            return "killed", "the compiler"
        if all((self.root / name).read_bytes() == self.pristine[name]
               for name in parts if name in compiled):
            return "same code", ""
        if self.run_tool("gcc", "-o", f"b/unit/{test}", *parts, "-lcriterion").returncode:
            return "killed", "the linker"
        who = self.failing_test(test)
        return ("killed", who) if who else ("passed", "")


class Odds:
    """Which test kills mutants of a file soonest: kills for each second spent, learned by doing."""

    def __init__(self, seconds):
        self.first = seconds  # by test, of the unbroken program
        self.seen = {}  # (file, test): runs, kills, seconds

    def order(self, file, tests):
        def worth(test):
            runs, kills, seconds = self.seen.get((file, test), (0, 0, 0.0))
            return (kills + 1) / (runs + 2) / ((seconds + self.first[test]) / (runs + 1) + 0.1)
        return sorted(tests, key=worth, reverse=True)

    def note(self, file, test, seconds, killed):
        runs, kills, before = self.seen.get((file, test), (0, 0, 0.0))
        self.seen[file, test] = (runs + 1, kills + killed, before + seconds)


# ---- the report ----------------------------------------------------------------------------------

def show_table(results, left_out):
    kinds = ("killed", "SURVIVED", "explained", "same code")
    print(f"\n{'file':<26}{'mutants':>8}" + "".join(f"{kind:>11}" for kind in kinds))
    files = sorted({mutant.file for mutant, _, _ in results})
    for file in [*files, "all"]:
        mine = [outcome for mutant, outcome, _ in results if file in (mutant.file, "all")]
        print(f"{file:<26}{len(mine):>8}" + "".join(f"{mine.count(kind):>11}" for kind in kinds))
    outcomes = [outcome for _, outcome, _ in results]
    killed = outcomes.count("killed")
    survived = len(outcomes) - killed - outcomes.count("same code")
    rate = 100 * killed / (killed + survived) if killed + survived else 100.0
    for mutant, outcome, _ in results:
        if outcome == "SURVIVED":  # not explained
            print(f"\nsurvived: {mutant.name}  ({mutant.key})\n  - {mutant.old.strip()}"
                  f"\n  + {mutant.new.strip()}")
    if left_out:
        print(f"\n{left_out} mutants of rings that the tests' device model cannot do were left out")
    print(f"\n{killed} of {killed + survived} mutants killed: {rate:.1f} %")
    return rate


def choose(args):
    """The mutants to run, and how many were left out for want of a device model."""
    known = tested_rings() if args.rings is None else set(args.rings.split(",")) - {"split"}
    everything = [m for file in FILES if (ROOT / DRIVER / file).exists()
                  for m in file_mutants(file)]
    seen = collections.Counter()
    for i, m in enumerate(everything):
        everything[i] = dataclasses.replace(m, same=seen[m.file, m.key])
        seen[m.file, m.key] += 1
    stale = explained_keys() - {m.key for m in everything}
    if stale:
        raise SystemExit(f"mutate: {DOC} explains what is not there: " + "; ".join(sorted(stale)))
    mutants = [m for m in everything if set(m.rings) <= known]
    left_out = len(everything) - len(mutants)
    if args.only:
        only = set(args.only.split(","))
        mutants = [m for m in mutants if only & {m.file, m.name, m.function, m.operator}]
    elif not args.all and len(mutants) > args.count:
        chosen = set(random.Random(args.seed).sample(range(len(mutants)), args.count))
        mutants = [m for i, m in enumerate(mutants) if i in chosen]
    return mutants, left_out


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--count", type=int, default=150, help="size of the sample (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (%(default)s)")
    parser.add_argument("--only", metavar="WHAT", help="files, functions, operators, mutants: A,B,...")
    parser.add_argument("--again", action="store_true", help="only those that no run before has killed")
    parser.add_argument("--tests", help="only these programs: test_vq_split,... (all of the rings)")
    parser.add_argument("--rings", help="split,packed,in_order (what the device model can do)")
    parser.add_argument("--list", action="store_true", help="list the chosen mutants")
    parser.add_argument("--min-rate", type=float, default=95.0, help="%% killed (%(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    return parser.parse_args(argv)


def measure(trees):
    """Run the tests of an unbroken tree. Return: the seconds each takes."""
    seconds = {}
    for test in trees[0].tests:
        start = time.monotonic()
        if trees[0].failing_test(test):
            raise SystemExit(f"mutate: {test} fails without any change (built with {CFLAGS})")
        seconds[test] = time.monotonic() - start
    for tree in trees:
        tree.limits = {test: TEST_SECONDS + 10 * spent for test, spent in seconds.items()}
    return seconds


def run_all(mutants, tests, jobs, log):
    explained = explained_keys()
    results = {}
    with tempfile.TemporaryDirectory(prefix="mutate-") as top:
        trees = queue.Queue()
        first = Tree(f"{top}/0", tests)
        trees.put(first)
        for i in range(1, min(jobs, len(mutants))):
            trees.put(first.twin(f"{top}/{i}"))
        odds = Odds(measure(list(trees.queue)))

        def work(mutant):
            tree = trees.get()
            try:
                return tree.run(mutant, odds)
            finally:
                trees.put(tree)

        with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
            futures = {pool.submit(work, mutant): mutant for mutant in mutants}
            for future in concurrent.futures.as_completed(futures):
                mutant = futures[future]
                outcome, who = future.result()
                if outcome == "SURVIVED" and mutant.key in explained:
                    outcome = "explained"
                results[mutant] = (mutant, outcome, who)
                print(f"{mutant.name:<44} {outcome}{' by ' + who if who else ''}", flush=True)
                print(mutant.identity, outcome, who, sep="\t", file=log, flush=True)
    return [results[mutant] for mutant in mutants]


def results_before():
    """(outcome, who) by identity of a mutant, of all runs so far."""
    lines = LOG.read_text().splitlines() if LOG.exists() else []
    return {identity: (outcome, who)
            for identity, outcome, who in (line.split("\t") for line in lines)}


def main(argv):
    args = parse_args(argv)
    mutants, left_out = choose(args)
    if not mutants:
        print("mutate: no such mutant (--list --all shows them)", file=sys.stderr)
        return 2
    if args.list:
        for m in mutants:
            print(f"{m.name:<44} {m.old.strip()}  ->  {m.new.strip()}")
        print(f"{len(mutants)} mutants, {left_out} left out")
        return 0
    before = results_before() if args.again else {}
    dead = [(m, *before[m.identity]) for m in mutants
            if before.get(m.identity, ("",))[0] in DEAD]
    killed = {m for m, _, _ in dead}
    mutants = [m for m in mutants if m not in killed]
    tests = sorted({test for file in {m.file for m in mutants} for test in tests_of(file)})
    if args.tests:
        tests = args.tests.split(",")
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("a" if args.again else "w") as log:
        results = dead + (run_all(mutants, tests, max(args.jobs, 1), log) if mutants else [])
    return 0 if show_table(results, left_out) >= args.min_rate else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
