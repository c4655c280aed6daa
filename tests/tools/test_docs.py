"""docs/packet-walk.md names functions that are where it says; links in the manual lead somewhere."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
WALK = ROOT / "docs" / "packet-walk.md"
SOURCES = [p for d in ("kernel", "net", "drivers", "apps", "arch")
           for p in (ROOT / d).rglob("*.[ch]")]


def rows():
    """(step's number, functions, the files named beside them)"""
    for line in WALK.read_text().splitlines():
        cells = [c.strip() for c in line.split("|")[1:-1]]
        if len(cells) == 4 and cells[0].isdigit():
            yield cells[0], re.findall(r"`(\w+)`", cells[1]), re.split(r" → |, ", cells[2])


def texts(files):
    """The sources a row names: a path, another file of the same folder, or a whole folder."""
    folder, found = ROOT, []
    for name in files:
        path = ROOT / name if "/" in name else folder / name
        folder = path if path.is_dir() else path.parent
        found += path.glob("*.[ch]") if path.is_dir() else [path]
    return {p: p.read_text() for p in found}


def is_function_of(name, text):
    return re.search(rf"^(?!\s*(?:return|else)\b)[\w\s*]*\b{name}\(", text, re.MULTILINE)


@pytest.mark.parametrize("step, functions, files", rows(), ids=lambda v: str(v)[:30])
def test_the_functions_of_a_step_are_in_its_files(step, functions, files):
    found = texts(files)
    for name in functions:
        assert any(is_function_of(name, t) for t in found.values()), f"step {step}: {name}"


def test_the_walk_names_nothing_else_that_is_gone():
    everything = "\n".join(p.read_text() for p in SOURCES)
    for name in re.findall(r"`(\w+_\w+)`", WALK.read_text()):
        assert re.search(rf"\b{name}\b", everything), name


@pytest.mark.parametrize("path", sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")]),
                         ids=lambda p: p.name)
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
        assert (path.parent / target).exists(), target
