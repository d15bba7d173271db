"""A run as JUnit's XML, which every CI reads: a suite a scenario, a case for each check and each promise."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from loadtest.report.words import found, needed
from loadtest.results import Kept, Result, Run, State

OUTCOME = {State.FAILED: "error", State.INVALID: "error", State.ABSENT: "skipped"}
"""How a scenario that was not measured stands there; what is absent fails nobody's build."""


def to_xml(run: Run) -> str:
    """
    Return the whole document.
    """
    root = ET.Element("testsuites", name="breakwater load")
    for result in run.results:
        cases = list(_cases(result, [kept for kept in run.promises if kept.scenario == result.scenario]))
        suite = ET.SubElement(
            root, "testsuite", name=result.scenario, tests=str(len(cases)), time=f"{result.seconds:.3f}"
        )
        for kind in ("failure", "error", "skipped"):
            name = {"failure": "failures", "error": "errors"}.get(kind, kind)
            suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
        suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _cases(result: Result, promises: list[Kept]) -> Iterator[ET.Element]:
    whole = _case(result, "runs", result.question)
    if result.state in OUTCOME:
        ET.SubElement(whole, OUTCOME[result.state], message=f"{result.state}: {result.why}")
    yield whole
    for check in result.checks:
        case = _case(result, check.name, check.says)
        if not check.held:
            ET.SubElement(case, "failure", message=f"{check.says}: {check.found}")
        yield case
    for kept in promises:
        case = _case(result, kept.name, kept.says)
        if not kept.held:
            ET.SubElement(case, "failure", message=f"{kept.says}: {found(kept)}, needed {needed(kept)}")
        yield case


def _case(result: Result, name: str, says: str) -> ET.Element:
    case = ET.Element("testcase", classname=f"load.{result.scenario}", name=name)
    ET.SubElement(ET.SubElement(case, "properties"), "property", name="says", value=says)
    return case
