"""junit_total.py counts what Criterion and pytest report, and takes a missing report for a failure."""

import pathlib
import subprocess

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/junit_total.py"


def total(*reports):
    return subprocess.run([TOOL, *reports], capture_output=True, text=True, check=True).stdout


def write(path, cases):
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    return path


def test_cases_are_counted_once_over_all_reports(tmp_path):
    one = write(tmp_path / "1.xml", '<testcase name="a"/><testcase name="b"><failure/></testcase>')
    two = write(tmp_path / "2.xml", '<testcase name="c"><error/><failure/></testcase>'
                                    '<testcase name="d"><skipped/></testcase><testcase name="e"/>')
    assert total(one, two) == "2 2 1\n"


def test_a_report_that_is_missing_or_cut_off_is_a_failure(tmp_path):
    cut = tmp_path / "cut.xml"
    cut.write_text('<testsuites><testsuite><testcase name="a"/>')
    assert total(cut) == "0 1 0\n"
    assert total(tmp_path / "absent.xml") == "0 1 0\n"
