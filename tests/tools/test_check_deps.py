"""check_deps.py finds what it is there to find, and nothing in a good tree."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("check_deps", ROOT / "tools/check_deps.py")
check_deps = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_deps)

GOOD_TREE = {
    "kernel/log.h": '#include <stdint.h>\n#include <arch/io.h>\n',
    "kernel/main.c": '#include "net/udp.h"\n#include "drivers/virtio/vq_split.h"\n',
    "net/mbuf.h": '#include "kernel/log.h"\n',
    "net/mempool.h": "",
    "net/netdev.h": "",
    "net/udp.h": '#include "net/mbuf.h"\n',
    "net/csum_avx2.c": "#include <immintrin.h>\n",
    "drivers/virtio/virtqueue.h": "",
    "drivers/virtio/vq_split.h": '#include "net/mbuf.h"\n#include "drivers/virtio/virtqueue.h"\n',
    "drivers/virtio/vec/vec_avx2.h": "#include <immintrin.h>\n",
    "apps/echo.c": '#include "net/udp.h"\n',
    "arch/x86_64/include/arch/io.h": 'static void f(void)\n{\n\t__asm__ volatile("nop");\n}\n',
    "arch/x86_64/efi/loader.c": "#include <efi.h>\n",
    "tests/model/vdev.c": '#include <stdlib.h>\n#include "drivers/virtio/virtqueue.h"\n',
}


def make_tree(tmp_path, extra):
    for path, text in {**GOOD_TREE, **extra}.items():
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path


def breaches(tmp_path, extra):
    return check_deps.check_tree(make_tree(tmp_path, extra))[0]


def test_a_good_tree_has_no_breach(tmp_path):
    assert breaches(tmp_path, {}) == []


@pytest.mark.parametrize("path, text, line, word", [
    ("net/arp.c", '\n#include "drivers/virtio/virtqueue.h"\n', 2, "must not include"),
    ("net/arp.c", '#include "apps/echo.c"\n', 1, "must not include"),
    ("drivers/virtio/virtio_net.c", '#include "net/udp.h"\n', 1, "must not include"),
    ("kernel/log.c", '#include "net/mbuf.h"\n', 1, "must not include"),
    ("kernel/log.c", '#include "arch/x86_64/include/arch/io.h"\n', 1, "must not include"),
    ("arch/x86_64/start.c", '#include "net/mbuf.h"\n', 1, "must not include"),
    ("tests/model/ring.c", '#include "drivers/virtio/vq_split.h"\n', 1, "must not include"),
    ("net/arp.c", '#include "mbuf.h"\n', 1, "repository root"),
    ("net/arp.c", '#include "net/absent.h"\n', 1, "repository root"),
    ("kernel/log.c", "#include <arch/absent.h>\n", 1, "arch/*/include"),
    ("kernel/log.c", "# include <string.h>\n", 1, "C library"),
    ("arch/x86_64/start.c", "#include <stdio.h>\n", 1, "C library"),
    ("drivers/virtio/vnet_rx.h", "#include <immintrin.h>\n", 1, "intrinsics"),
    ("net/udp.c", "#include <arm_neon.h>\n", 1, "intrinsics"),
    ("kernel/log.c", 'void f(void)\n{\n\tasm volatile ("nop");\n}\n', 3, "assembly"),
    ("net/udp.c", '__asm__("nop");\n', 1, "assembly"),
    ("kernel/log.c", "void f(void)\n{\n\tint a;\n#ifdef B\n\ta = 1;\n#endif\n}\n", 4, "#if"),
])
def test_a_planted_breach_is_found(tmp_path, path, text, line, word):
    found = breaches(tmp_path, {path: text})
    assert len(found) == 1
    assert found[0].startswith(f"{path}:{line}: ")
    assert word in found[0]


@pytest.mark.parametrize("text", [
    '/* #include "drivers/virtio/virtqueue.h"\n#include <stdio.h> */\n',
    "/* asm volatile (x) */\n",
    'static const char *s = "asm(nop)";\n',
    "#ifdef A\nint f(void)\n{\n\treturn 1;\n}\n#endif\n#if B\n#endif\n",
])
def test_comments_strings_and_conditionals_between_functions_are_fine(tmp_path, text):
    assert breaches(tmp_path, {"net/arp.c": text}) == []


def test_a_tree_without_sources_is_an_error(tmp_path):
    assert check_deps.main(["check_deps", str(tmp_path)]) == 2
