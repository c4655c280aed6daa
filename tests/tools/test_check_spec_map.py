"""check_spec_map.py finds a wrong name, a row without an answer, and numbers that do not agree."""

import importlib.util
import pathlib

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("check_spec_map", ROOT / "tools/check_spec_map.py")
check_spec_map = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_spec_map)

SOURCES = {
    "drivers/virtio/virtio_net.c": """
#define VNET_FEATURES                                                              \\
	(VIRTIO_F_VERSION_1 | VIRTIO_NET_F_MAC |                                   \\
	 VIRTIO_NET_F_MTU)
#define OTHERS VIRTIO_NET_F_MQ

static int declared_only(struct vnet *vn, uint16_t n);

static int negotiate(struct vnet *vn, unsigned (*fn)(void *),
                     unsigned port)
{
	return called_only(vn, port);
}

static const struct option table[] = {
    {.key = "net.mac"},
};
""",
    "drivers/virtio/vnet_features.c": """
	return offers(vd) ? VIRTIO_NET_F_CTRL_RX : 0;
""",
    "tests/unit/test_virtio_net.c": """
Test(virtio_net, starts)
{
}

ParameterizedTestParameters(virtio_net, only_its_parameters)
{
}

ParameterizedTest(struct rx_case *c, virtio_net, stops)
{
}
""",
    "tests/model/vdev.c": 'vdev_violate(d, "2.1.1: status bits 0x%02x cleared", old);\n',
    "tests/guest/test_net.py": "def test_ping(serve):\n    assert True\n",
}

GOOD = """# Map

| Keyword | Not counted: no section |
|---|---|

## 2.1.1 Status

| Keyword | Sentence | Function | Test or reason |
|---|---|---|---|
| MUST | do | `virtio_net.c:negotiate` | `test_virtio_net.c:virtio_net.starts` `test_net.py:test_ping` |
| MUST NOT | do | `virtio_net.c:table` | `vdev.c:"2.1.1: status bits"` |
| MAY | do | - | not used: why should it |
{row}
## 2.2 Features

| Keyword | Sentence | Function | Test or reason |
|---|---|---|---|
| SHOULD | do | - | not accepted: VIRTIO_NET_F_MQ |
| MUST | do | `virtio_net.c:VNET_FEATURES` | no test: nobody wrote it |

## Counts

{counts}

## Gaps

| Section | Keyword | What |
|---|---|---|
| 2.2 | MUST | a test |
{gap}"""


def wrong(tmp_path, row="", gap="", change=None, sources=None):
    """What the check says of the good tree with one more row, one more gap, or a change."""
    for path, text in {**SOURCES, **(sources or {})}.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    text = GOOD.format(row=row and row + "\n", gap=gap, counts="")
    rows, _, _ = check_spec_map.read_map(text)
    text = GOOD.format(row=row and row + "\n", gap=gap, counts=check_spec_map.counts_text(rows))
    if change:
        assert change[0] in text
        text = text.replace(*change)
    (tmp_path / "docs").mkdir(exist_ok=True)
    (tmp_path / "docs/spec-map.md").write_text(text)
    return check_spec_map.check(tmp_path)[0]


def test_a_good_map_is_good(tmp_path):
    assert wrong(tmp_path) == []
    assert check_spec_map.main(["check_spec_map", str(tmp_path)]) == 0


TEST = "`test_virtio_net.c:virtio_net.stops`"
FUNCTION = "`virtio_net.c:negotiate`"


@pytest.mark.parametrize("row, word", [
    (f"| MUST | do | `virtio_net.c:renegotiate` | {TEST} |", "no function renegotiate"),
    (f"| MUST | do | `virtio_net.c:gotiate` | {TEST} |", "no function gotiate"),
    (f"| MUST | do | `virtio_net.c:declared_only` | {TEST} |", "no function declared_only"),
    (f"| MUST | do | `virtio_net.c:called_only` | {TEST} |", "no function called_only"),
    (f"| MUST | do | `virtio_nut.c:negotiate` | {TEST} |", "no virtio_nut.c"),
    (f"| MUST | do | {FUNCTION} | `test_virtio_net.c:virtio_net.start` |", "no test"),
    (f"| MUST | do | {FUNCTION} | `test_virtio_net.c:virtio.stops` |", "no test"),
    (f"| MUST | do | {FUNCTION} | `test_virtio_net.c:virtio_net.only_its_parameters` |",
     "no test"),
    (f"| MUST | do | {FUNCTION} | `test_net.py:test_pin` |", "no test"),
    (f"| MUST | do | {FUNCTION} | `vdev.c:\"2.1.1: status bytes\"` |", "no test"),
    (f"| MUST | do | {FUNCTION} | `test_nut.c:virtio_net.starts` |", "no test_nut.c"),
    (f"| MUST | do | {FUNCTION} | - |", "neither a test nor a reason"),
    (f"| MUST | do | - | {TEST} |", "neither a function nor a reason"),
    ("| MUST | do | - | - |", "neither a function nor a reason"),
    ("| MUST | do | - | because |", "neither a function nor a reason"),
    (f"| SHALL | do | {FUNCTION} | {TEST} |", "no keyword"),
    (f"| MUST | | {FUNCTION} | {TEST} |", "nothing is said"),
    (f"| MUST | {FUNCTION} | {TEST} |", "3 columns"),
    ("| MUST | do | - | not accepted: VIRTIO_NET_F_MTU |", "VIRTIO_NET_F_MTU is accepted by now"),
    ("| MUST | do | - | not accepted: VIRTIO_NET_F_CTRL_RX |", "F_CTRL_RX is accepted by now"),
    ("| MUST | do | - | not accepted: multiqueue |", "which feature"),
])
def test_a_wrong_row_is_found(tmp_path, row, word):
    found = wrong(tmp_path, row)
    assert any(word in text for text in found), found
    assert all(text.startswith("docs/spec-map.md") for text in found)
    assert check_spec_map.main(["check_spec_map", str(tmp_path)]) == 1


@pytest.mark.parametrize("reason", [
    f"| MUST | do | {FUNCTION} | no test: too hard |",
    "| MUST | do | - | not yet: to come |",
    f"| MUST | do | {FUNCTION} | deviates: on purpose |",
])
def test_a_gap_has_to_be_listed_and_listed_gaps_have_to_be_there(tmp_path, reason):
    assert wrong(tmp_path, reason) == ["docs/spec-map.md: 2.1.1 MUST: 1 not in the table of gaps"]
    assert wrong(tmp_path, reason, "| 2.1.1 | MUST | it |\n") == []
    assert wrong(tmp_path, "", "| 2.1.1 | MUST | it |\n") == [
        "docs/spec-map.md: 2.1.1 MUST: 1 in the table of gaps only"]


def test_a_gap_without_a_function_names_one_or_is_not_there_yet(tmp_path):
    found = wrong(tmp_path, "| MUST | do | - | no test: too hard |")
    assert any("has to be named" in text for text in found)


def test_wrong_counts_are_found(tmp_path):
    found = wrong(tmp_path, change=("| MUST | 2 | 1 | 0 | 1 |", "| MUST | 3 | 2 | 0 | 1 |"))
    assert len(found) == 1 and "counts" in found[0]


def test_a_name_that_two_files_have_is_said(tmp_path):
    found = wrong(tmp_path, sources={"net/virtio_net.c": "int negotiate(void)\n{\n}\n"})
    assert any("could be any of" in text for text in found)


def test_a_driver_without_its_list_of_features_is_said(tmp_path):
    found = wrong(tmp_path, sources={"drivers/virtio/virtio_net.c": SOURCES[
        "drivers/virtio/virtio_net.c"].replace("VNET_FEATURES", "VNET_FEATS")})
    assert any("no list VNET_FEATURES" in text for text in found)


def test_no_map_is_an_error(tmp_path):
    assert check_spec_map.main(["check_spec_map", str(tmp_path)]) == 2


def test_the_projects_own_map_is_good(capsys):
    assert check_spec_map.main(["check_spec_map", str(ROOT)]) == 0, capsys.readouterr().out
