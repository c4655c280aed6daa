#!/usr/bin/python3
"""Check docs/spec-map.md: what it names exists, and it says something of every sentence.

    check_spec_map.py [ROOT]            print what is wrong; exit 1 if anything is
    check_spec_map.py --counts [ROOT]   print the table of counts that the document must have

The rules of the document are in its own second section. A function is looked for where it is
defined, a test by the macro or def that makes it, a rule of the device model by the text that it
reports. A feature that is called "not accepted" must not be in the driver's list.
"""

import collections
import pathlib
import re
import sys

MAP = "docs/spec-map.md"
SOURCES = ("drivers", "kernel", "net", "arch", "apps")
TESTS = ("tests/unit", "tests/guest", "tests/tools", "tests/hosted", "tests/vec", "tests/fuzz")
MODEL = ("tests/model", "tests/unit")
FEATURES_IN = ("drivers/virtio/virtio_net.c", "drivers/virtio/vnet_features.c")
FEATURES_NAME = "VNET_FEATURES"
FEATURES = re.compile(r"#define (?:VNET_FEATURES|VNET_OFFLOAD_FEATURES|VNET_PAIRS_FEATURES)\b((?:.*\\\n)*.*)")

KEYWORDS = ("MUST", "MUST NOT", "SHOULD", "SHOULD NOT", "MAY")
COLUMNS = ("Rows", "Tested", "Excluded", "Gaps")
# what the last column may start with instead of a test, and what the row then counts as
REASONS = {
    "not accepted": "Excluded",
    "not applicable": "Excluded",
    "not used": "Excluded",
    "no test": "Gaps",
    "not yet": "Gaps",
    "deviates": "Gaps",
}

HEADING = re.compile(r"#{2,6} ((?P<section>[2-6](\.\d+)+) )?(?P<title>.*)")
REFERENCE = re.compile(r"`(?P<file>[\w./]+\.(?:c|h|py|S|asm)):(?P<name>[^`]+)`")
FEATURE = re.compile(r"\bVIRTIO_(?:NET_)?F_\w+")

Row = collections.namedtuple("Row", "line section cells")


def cells_of(line):
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def read_map(text):
    """(rows about sentences, rows of the gap table, rows of the table of counts)"""
    rows, gaps, counts = [], [], []
    section = title = ""

    for number, line in enumerate(text.split("\n"), 1):
        heading = HEADING.match(line)
        if heading:
            section, title = heading["section"] or "", heading["title"]
        if not line.startswith("|"):
            continue
        cells = cells_of(line)
        if set(cells[0]) <= set("-:") or cells[0] in ("Keyword", "Section"):
            continue
        if section:
            rows.append(Row(number, section, cells))
        elif title == "Gaps":
            gaps.append(Row(number, cells[0], cells))
        elif title == "Counts":
            counts.append(Row(number, "", cells))
    return rows, gaps, counts


class Tree:
    """Where things are in the sources below root."""

    def __init__(self, root):
        self.root = root
        self.texts = {}

    def files(self, folders, name):
        return [p for folder in folders for p in sorted((self.root / folder).rglob(name))]

    def text(self, path):
        if path not in self.texts:
            self.texts[path] = path.read_text(encoding="utf-8", errors="replace")
        return self.texts[path]

    def accepted(self):
        """The features that the driver accepts when they are offered."""
        paths = [self.root / name for name in FEATURES_IN]
        found = [FEATURES.findall(self.text(path)) for path in paths if path.is_file()]
        features = {name for lists in found for text in lists for name in FEATURE.findall(text)}
        chosen = self.root / FEATURES_IN[-1]  # some by what else is there: all that it names
        if features and chosen.is_file():
            features.update(re.findall(r"\bVIRTIO_NET_F_\w+", self.text(chosen)))
        return features


def defines_function(text, name):
    """Is there a function with this name and a body, a table, or a macro?"""
    for match in re.finditer(rf"^(?![\s#*/]).*?\b{re.escape(name)}\(", text, re.M):
        depth, at = 1, match.end()
        while depth and at < len(text):
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
        if text[at:].lstrip().startswith("{"):
            return True
    return bool(re.search(rf"^#define {re.escape(name)}\b", text, re.M) or
                re.search(rf"^(?![\s#*/]).*\b{re.escape(name)}(\[\w*\])? = \{{", text, re.M) or
                re.search(rf"^\}} {re.escape(name)}(\[\w*\])? = \{{", text, re.M))


def defines_test(text, name):
    if name.startswith("test_"):
        return bool(re.search(rf"^(?:async )?def {re.escape(name)}\(", text, re.M))
    suite, _, test = name.partition(".")
    return bool(re.search(rf"^(?:Test|ParameterizedTest|Theory)\((?:[^,\n]*,\s*)?"
                          rf"{re.escape(suite)},\s*{re.escape(test)}\b", text, re.M))


def why_missing(tree, file, name, kind):
    """None when the reference is good, else what is wrong with it."""
    if kind == "function":
        folders, found = SOURCES, defines_function
    elif name.startswith('"'):
        folders, found = MODEL, lambda text, quoted: quoted.rstrip('"') in text
    else:
        folders, found = TESTS, defines_test
    paths = tree.files(folders, file)
    if not paths:
        return f"there is no {file} below {' '.join(folders)}"
    if len(paths) > 1:
        return f"{file} could be any of {' '.join(str(p.relative_to(tree.root)) for p in paths)}"
    if not found(tree.text(paths[0]), name):
        return f"{file} has no {kind} {name}"
    return None


def kind_of(row):
    """'Tested', 'Excluded' or 'Gaps' for a row that follows the rules, else what is wrong."""
    function, last = row.cells[2], row.cells[3]
    reason = REASONS.get(last.partition(":")[0])
    has_function, has_test = REFERENCE.search(function), REFERENCE.search(last)

    if has_function and has_test and not reason:
        return "Tested", None
    if reason == "Excluded" and not has_function:
        return reason, None
    if reason == "Gaps":
        if has_function or not last.startswith("no test"):
            return reason, None
        return None, "a function without a test has to be named"
    if has_function:
        return None, "neither a test nor a reason"
    return None, "neither a function nor a reason"


def check_row(tree, accepted, row):
    """Yield what is wrong with a row about a sentence."""
    if len(row.cells) != 4:
        yield f"{len(row.cells)} columns instead of 4"
        return
    if row.cells[0] not in KEYWORDS:
        yield f'"{row.cells[0]}" is no keyword'
    if not row.cells[1]:
        yield "nothing is said of the sentence"
    _, why = kind_of(row)
    if why:
        yield why
    for column, kind in ((2, "function"), (3, "test")):
        for match in REFERENCE.finditer(row.cells[column]):
            why = why_missing(tree, match["file"], match["name"], kind)
            if why:
                yield why
    if row.cells[3].startswith("not accepted"):
        named = FEATURE.findall(row.cells[3])
        if not named:
            yield "not accepted: which feature?"
        for feature in named:
            if feature in accepted:
                yield f"{feature} is accepted by now"


def count(rows):
    """{keyword: {column: number}}"""
    table = {keyword: dict.fromkeys(COLUMNS, 0) for keyword in KEYWORDS}
    for row in rows:
        if len(row.cells) != 4 or row.cells[0] not in table:
            continue
        table[row.cells[0]]["Rows"] += 1
        kind, _ = kind_of(row)
        if kind:
            table[row.cells[0]][kind] += 1
    return table


def counts_text(rows):
    table = count(rows)
    total = {column: sum(line[column] for line in table.values()) for column in COLUMNS}
    lines = ["| Keyword | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for keyword, line in [*table.items(), ("all", total)]:
        lines.append("| " + " | ".join([keyword, *(str(line[c]) for c in COLUMNS)]) + " |")
    return "\n".join(lines)


def check_gaps(rows, gaps):
    """Yield the gaps that only one of the two tables knows."""
    open_rows = collections.Counter(
        (row.section, row.cells[0]) for row in rows if len(row.cells) == 4
        and kind_of(row)[0] == "Gaps")
    listed = collections.Counter((gap.section, gap.cells[1]) for gap in gaps if len(gap.cells) > 1)
    for (section, keyword), n in sorted((open_rows - listed).items()):
        yield f"{section} {keyword}: {n} not in the table of gaps"
    for (section, keyword), n in sorted((listed - open_rows).items()):
        yield f"{section} {keyword}: {n} in the table of gaps only"


def check(root):
    """(what is wrong, as texts; the rows about sentences)"""
    path = root / MAP
    if not path.is_file():
        return [f"{MAP}: not there"], []
    text = path.read_text(encoding="utf-8")
    rows, gaps, counts = read_map(text)
    tree = Tree(root)
    accepted = tree.accepted()

    wrong = [f"{MAP}:{row.line}: {why}" for row in rows for why in check_row(tree, accepted, row)]
    wrong += [f"{MAP}: {why}" for why in check_gaps(rows, gaps)]
    if not accepted:
        wrong.append(f"{FEATURES_IN[0]}: no list {FEATURES_NAME}")
    should = [cells_of(line) for line in counts_text(rows).split("\n")[2:]]
    if [row.cells for row in counts] != should:
        wrong.append(f"{MAP}: the table of counts is wrong; --counts prints the right one")
    return wrong, rows


def main(argv):
    arguments = [a for a in argv[1:] if a != "--counts"]
    root = pathlib.Path(arguments[0] if arguments else pathlib.Path(__file__).parent.parent)
    wrong, rows = check(root)
    if "--counts" in argv:
        print(counts_text(rows))
        return 0
    for text in wrong:
        print(text)
    if not rows:
        print(f"check_spec_map: no rows in {root / MAP}", file=sys.stderr)
        return 2
    numbers = ", ".join(f"{line['Rows']} {keyword}" for keyword, line in count(rows).items())
    print(f"check_spec_map: {len(rows)} rows ({numbers}), {len(wrong)} breaches")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
