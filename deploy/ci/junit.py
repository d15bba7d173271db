"""
What `breakwater test --every-rule --json` says, as the XML that every CI reads: standard input to standard output.

A case is one of the policy tests, or a rule that decided none of them. What failed is named on standard error; exit 1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from xml.etree import ElementTree as ET


def cases(said: Mapping[str, Any]) -> Iterator[ET.Element]:
    """
    Yield a case for each policy test, and for each rule that none of them met.
    """
    for one in said["cases"]:
        place, _, line = str(one["at"]).rpartition(":")
        case = ET.Element("testcase", classname="policy", name=one["case"], file=place, line=line)
        if not one["ok"]:
            got = one["reason"] or one["verdict"]
            words = f"expected {one['expected']}, got {got}" + (f": {one['detail']}" if one["detail"] else "")
            ET.SubElement(case, "failure", message=words).text = str(one["at"])
        yield case
    for rule in said["rules"]["never"]:
        case = ET.Element("testcase", classname="policy.rules", name=str(rule))
        ET.SubElement(case, "failure", message="no policy test met this rule")
        yield case


def main() -> int:
    """
    Convert; return 1 where something failed.
    """
    found = list(cases(json.load(sys.stdin)))
    failed = [case for case in found if case.find("failure") is not None]
    suite = ET.Element("testsuite", name="breakwater policy", tests=str(len(found)), failures=str(len(failed)))
    suite.extend(found)
    ET.indent(suite)
    sys.stdout.write('<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suite, encoding="unicode") + "\n")
    for case in failed:
        failure = case.find("failure")
        assert failure is not None
        sys.stderr.write(f"FAIL  {case.get('name')}: {failure.get('message')}\n")
    sys.stderr.write(f"{len(found) - len(failed)} of {len(found)} policy tests and rules are as they should be\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
