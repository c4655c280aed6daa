#!/usr/bin/python3
"""Count the test cases of JUnit reports (Criterion's --xml, pytest's --junit-xml).

    tools/junit_total.py REPORT...     print "PASSED FAILED SKIPPED"

A report that is missing or cut off counts as one failure: the program died before it was written.
"""

import sys
import xml.etree.ElementTree as ElementTree


def count(report):
    """(passed, failed, skipped) of one file."""
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return 0, 1, 0
    failed = sum(1 for c in cases if c.find("failure") is not None or c.find("error") is not None)
    skipped = sum(1 for c in cases if c.find("skipped") is not None)
    return len(cases) - failed - skipped, failed, skipped


def main(argv):
    totals = [count(report) for report in argv[1:]]
    print(*(sum(column) for column in zip(*totals)) if totals else (0, 0, 0))


if __name__ == "__main__":
    main(sys.argv)
