#!/usr/bin/python3
"""Check who includes whom: the layers of docs/architecture.md, as edges between files.

    tools/check_deps.py [ROOT]     print every breach as FILE:LINE: text; exit 1 if there is one

Beside the edges: quoted includes are written from the repository root, libc and intrinsics stay in
their places, inline assembly stays under arch/, and no #if stands inside a function body.
"""

import pathlib
import re
import sys

SOURCE_DIRS = ("kernel", "net", "drivers", "apps", "arch", "tests", "tools", "bench")

# Headers that a freestanding compiler brings along (C11, 4).
FREESTANDING = {"float.h", "iso646.h", "limits.h", "stdalign.h", "stdarg.h", "stdatomic.h",
                "stdbool.h", "stddef.h", "stdint.h", "stdnoreturn.h"}
INTRINSICS = re.compile(r"(.*intrin|arm_neon|arm_sve|arm_acle)\.h$")

PACKET_CORE = ("net/mac.h", "net/mbuf.h", "net/mempool.h", "net/netdev.h", "net/rss.h", "net/vlan.h")
MODEL_SEES = ("drivers/virtio/virtio_spec.h", "drivers/virtio/virtio_transport.h",
              "drivers/virtio/virtqueue.h")
EVERYTHING = ("",)

# The first row whose prefix fits the including file holds. A prefix that ends in "/" means all
# that is below it.
MAY_INCLUDE = (
    ("kernel/main.c", EVERYTHING),  # the composition root
    ("kernel/", ("kernel/",)),
    ("net/", ("net/", "kernel/")),
    ("drivers/", ("drivers/", "kernel/") + PACKET_CORE),
    ("apps/", ("apps/", "net/", "kernel/")),
    ("arch/bare/efi/", ("arch/bare/efi/", "arch/bare/efi_handoff.h")),
    ("arch/x86_64/efi/", ("arch/x86_64/efi/", "arch/bare/efi")),
    ("arch/aarch64/efi/", ("arch/aarch64/efi/", "arch/bare/efi")),
    ("arch/x86_64/", ("arch/x86_64/", "arch/bare/", "kernel/")),
    ("arch/aarch64/", ("arch/aarch64/", "arch/bare/", "kernel/")),
    ("arch/bare/", ("arch/bare/", "kernel/")),
    ("arch/generic/", ("arch/generic/",)),
    ("arch/hosted/", ("arch/hosted/", "drivers/virtio/", "kernel/") + PACKET_CORE),
    ("tests/model/", ("tests/model/", "kernel/") + MODEL_SEES),
    ("tests/", EVERYTHING),
    ("tools/", EVERYTHING),
    ("bench/", EVERYTHING),
)

LIBC_IN = ("arch/hosted/", "arch/bare/efi/", "arch/x86_64/efi/", "arch/aarch64/efi/", "tests/", "tools/", "bench/")
LIBFDT_IN = ("arch/aarch64/devtree", "arch/aarch64/libfdt_env.h", "tests/")
INTRINSICS_IN = ("drivers/virtio/vec/", "net/csum", "net/checksum", "tests/")
ASM_IN = ("arch/", "tests/", "tools/", "bench/")

INCLUDE = re.compile(r'^\s*#\s*include\s*(["<])([^">]+)[">]')
ASM = re.compile(r"\b(asm|__asm|__asm__)\b\s*(volatile|__volatile__|goto|inline)?\s*\(")
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef)\b")
COMMENT_OR_STRING = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"', re.DOTALL)


def starts(path, prefixes):
    return any(path.startswith(p) for p in prefixes)


def allowed_edges(path):
    for prefix, targets in MAY_INCLUDE:
        if path.startswith(prefix):
            return targets
    return EVERYTHING


def without_comments_and_strings(text):
    """The text with the same lines, but comments and strings other than #include's blanked."""
    def blank(match):
        piece = match.group(0)
        line_start = text.rfind("\n", 0, match.start()) + 1
        if piece[0] == '"' and INCLUDE.match(text[line_start:match.end()]):
            return piece
        return "\n" * piece.count("\n")
    return COMMENT_OR_STRING.sub(blank, text)


def check_quoted(root, path, target):
    if not (root / target).is_file():
        return f'"{target}" is no file seen from the repository root'
    if not starts(target, allowed_edges(path)):
        return f'must not include "{target}"'
    return None


def check_angled(root, path, target):
    if target.startswith("arch/"):
        if any(root.glob(f"arch/*/include/{target}")):
            return None
        return f"<{target}> is in no arch/*/include"
    if INTRINSICS.match(target):
        if starts(path, INTRINSICS_IN):
            return None
        return f"<{target}>: intrinsics belong into drivers/virtio/vec/"
    if target == "libfdt.h" and starts(path, LIBFDT_IN):
        return None
    if target in FREESTANDING or starts(path, LIBC_IN):
        return None
    return f"<{target}>: the C library is not there in a freestanding kernel"


def check_file(root, path):
    """Yield (line number, text) for each breach in the file at root/path."""
    text = (root / path).read_text(encoding="utf-8", errors="replace")
    in_function = False

    for number, line in enumerate(without_comments_and_strings(text).split("\n"), 1):
        include = INCLUDE.match(line)
        if include:
            check = check_quoted if include.group(1) == '"' else check_angled
            why = check(root, path, include.group(2))
            if why:
                yield number, why
        if ASM.search(line) and not starts(path, ASM_IN):
            yield number, "inline assembly belongs under arch/"

        # clang-format puts the braces of a function body, and only these, alone at a line's start
        if line.rstrip() == "{":
            in_function = True
        elif line.startswith("}"):
            in_function = False
        if in_function and CONDITIONAL.match(line):
            yield number, "#if inside a function body"


def source_files(root):
    for top in SOURCE_DIRS:
        for path in sorted((root / top).rglob("*.[ch]")):
            yield path.relative_to(root).as_posix()


def check_tree(root):
    """All breaches below root, as texts; and the number of files looked at."""
    breaches = []
    files = 0
    for path in source_files(root):
        files += 1
        breaches += [f"{path}:{number}: {why}" for number, why in check_file(root, path)]
    return breaches, files


def main(argv):
    root = pathlib.Path(argv[1] if len(argv) > 1 else pathlib.Path(__file__).parent.parent)
    breaches, files = check_tree(root)
    for text in breaches:
        print(text)
    if files == 0:
        print(f"check_deps: no sources below {root}", file=sys.stderr)
        return 2
    print(f"check_deps: {files} files, {len(breaches)} breaches")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
