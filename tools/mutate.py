#!/usr/bin/python3
"""Break the ring verbs and bodies in small ways, and see whether the unit tests notice.

    tools/mutate.py                    a sample of mutants; exit 1 when too many survive
    tools/mutate.py --all -j4          every mutant
    tools/mutate.py --list             what there is, without running anything
    tools/mutate.py --only vnet_rx.h   of one file; --only NAME for one mutant

A mutant is one change of one line, named FILE:LINE:OPERATOR[:N]. Each runs in a private copy of
the tree: what depends on the file is compiled again with -O1, then the unit tests of rings and
driver run until one fails. Outcomes:

    killed      a test failed, crashed or hung, or the compiler refused
    same code   the compiler made the very same objects: nothing to see on this processor
    explained   it survives, and docs/testing.md says why (table "Mutants that may survive")
    SURVIVED    nobody noticed

The kill rate is that of killed among all but "same code"; an explained mutant counts as alive.
Rings that the device model of the tests cannot do yet are left out, and said to be.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import hashlib
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
COPIED = ("Makefile", "kernel", "net", "drivers", "apps", "arch", "tests", "bench")
TEST_PATTERNS = ("test_vq_*.c", "test_vnet_*.c", "test_virtio_net*.c", "test_differential.c",
                 "test_vec.c", "test_spec.c")
CFLAGS = "-std=gnu11 -O1 -w -I. -MMD -MP -fno-common -fno-strict-aliasing"
TEST_SECONDS = 30  # and five times what the unbroken program takes
BASELINE_SECONDS = 600
BUILD_SECONDS = 600
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

    @property
    def name(self):
        suffix = f":{self.nth}" if self.nth else ""
        return f"{self.file}:{self.line}:{self.operator}{suffix}"

    @property
    def key(self):
        """What docs/testing.md calls it: a line number would not last."""
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
    """A private copy of the sources, built once."""

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
        built = self.build()
        if built.returncode:
            raise SystemExit(f"mutate: the unbroken tree does not build:\n{built.stdout}")
        self.pristine = self.objects()

    def build(self):
        programs = [f"b/unit/{test}" for test in self.tests]
        return subprocess.run(["make", "-s", "-k", "BUILD=b", f"CFLAGS_COMMON={CFLAGS}", *programs],
                              cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=BUILD_SECONDS, check=False)

    def objects(self):
        digest = hashlib.sha256()
        for path in sorted((self.root / "b/unit/obj").rglob("*.o")):
            digest.update(path.read_bytes())
        return digest.hexdigest()

    def failing_test(self, tests=None):
        """The first test program that does not pass, None when all do."""
        for test in tests or self.tests:
            # a session of its own, as each test is a process that has to go when time is up
            with subprocess.Popen([f"b/unit/{test}", "--fail-fast", "-j1", "--color=never"],
                                  cwd=self.root, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                  start_new_session=True) as process:
                try:
                    if process.wait(self.limits.get(test, BASELINE_SECONDS)):
                        return test
                except subprocess.TimeoutExpired:
                    return f"{test} (hangs)"
                finally:
                    with contextlib.suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
        return None

    def run(self, mutant):
        """(outcome, who killed it)"""
        path = self.root / DRIVER / mutant.file
        original = path.read_text()
        lines = original.split("\n")
        lines[mutant.line - 1] = mutant.new
        path.write_text("\n".join(lines))
        try:
            if self.build().returncode:
                return "killed", "the compiler"
            if self.objects() == self.pristine:
                return "same code", ""
            test = self.failing_test()
            return ("killed", test) if test else ("SURVIVED", "")
        finally:
            path.write_text(original)


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
    mutants = [m for m in everything if set(m.rings) <= known]
    left_out = len(everything) - len(mutants)
    if args.only:
        mutants = [m for m in mutants if args.only in (m.file, m.name, m.function, m.operator)]
    elif not args.all and len(mutants) > args.count:
        chosen = set(random.Random(args.seed).sample(range(len(mutants)), args.count))
        mutants = [m for i, m in enumerate(mutants) if i in chosen]
    return mutants, left_out


def parse_args(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--count", type=int, default=150, help="size of the sample (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the sample (%(default)s)")
    parser.add_argument("--only", metavar="WHAT", help="a file, function, operator or mutant")
    parser.add_argument("--rings", help="split,packed,in_order (what the device model can do)")
    parser.add_argument("--list", action="store_true", help="list the chosen mutants")
    parser.add_argument("--min-rate", type=float, default=95.0, help="%% killed (%(default)s)")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count())
    return parser.parse_args(argv)


def measure(trees):
    """Run the tests on an unbroken tree; then the quick ones come first, with limits for all."""
    limits = {}
    for test in trees[0].tests:
        start = time.monotonic()
        if trees[0].failing_test([test]):
            raise SystemExit(f"mutate: {test} fails without any change (built with {CFLAGS})")
        limits[test] = TEST_SECONDS + 5 * (time.monotonic() - start)
    for tree in trees:
        tree.limits = limits
        tree.tests = sorted(limits, key=limits.get)


def run_all(mutants, tests, jobs):
    explained = explained_keys()
    results = {}
    with tempfile.TemporaryDirectory(prefix="mutate-") as top:
        trees = queue.Queue()
        for i in range(min(jobs, len(mutants))):
            trees.put(Tree(f"{top}/{i}", tests))
        measure(list(trees.queue))

        def work(mutant):
            tree = trees.get()
            try:
                return tree.run(mutant)
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
    return [results[mutant] for mutant in mutants]


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
    tests = sorted({path.stem for pattern in TEST_PATTERNS
                    for path in (ROOT / "tests/unit").glob(pattern)})
    results = run_all(mutants, tests, max(args.jobs, 1))
    return 0 if show_table(results, left_out) >= args.min_rate else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
