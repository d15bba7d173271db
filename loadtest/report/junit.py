"""A run as JUnit's XML, which every CI reads: a suite a scenario, a case for each check and each promise."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from loadtest.report.words import ended, found, needed
from loadtest.results import Kept, Result, Run, State

OUTCOME = {State.FAILED: "error", State.INVALID: "error", State.ABSENT: "skipped"}
"""How a scenario that was not measured stands there; what is absent, or was not asked, fails nobody's build."""


def to_xml(run: Run) -> str:
    """
    Return the whole document.
    """
    root = ET.Element("testsuites", name="breakwater load")
    by_name = {result.scenario: result for result in run.results}
    for scenario in dict.fromkeys((*by_name, *(kept.scenario for kept in run.promises))):
        result = by_name.get(scenario)
        cases = [
            *(_measured(result) if result is not None else ()),
            *(_promised(kept) for kept in run.promises if kept.scenario == scenario),
        ]
        seconds = result.seconds if result is not None else 0.0
        suite = ET.SubElement(root, "testsuite", name=scenario, tests=str(len(cases)), time=f"{seconds:.3f}")
        for kind in ("failure", "error", "skipped"):
            name = {"failure": "failures", "error": "errors"}.get(kind, kind)
            suite.set(name, str(sum(case.find(kind) is not None for case in cases)))
        suite.extend(cases)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _measured(result: Result) -> Iterator[ET.Element]:
    whole = _case(result.scenario, "runs", result.question)
    if result.state in OUTCOME:
        ET.SubElement(whole, OUTCOME[result.state], message=f"{result.state}: {result.why}")
    yield whole
    for check in result.checks:
        case = _case(result.scenario, check.name, check.says)
        if not check.held:
            ET.SubElement(case, "failure", message=f"{check.says}: {check.found}")
        yield case


def _promised(kept: Kept) -> ET.Element:
    case = _case(kept.scenario, kept.name, kept.says)
    if kept.held is None:
        ET.SubElement(case, "skipped", message=ended(kept))
    elif not kept.held:
        missed = kept.why or f"{found(kept)}, needed {needed(kept)}"
        ET.SubElement(case, "failure", message=f"{kept.says}: {missed}")
    return case


def _case(scenario: str, name: str, says: str) -> ET.Element:
    case = ET.Element("testcase", classname=f"load.{scenario}", name=name)
    ET.SubElement(ET.SubElement(case, "properties"), "property", name="says", value=says)
    return case
