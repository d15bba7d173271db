"""`breakwater test`: tables of calls against the policy, without any upstream, and which rules they met."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from breakers.allowlist import policy_of
from config.cases import FORWARD, SUGGEST, Written, read_cases
from config.load import Configuration, load
from proxy.cli.say import data, shown
from proxy.cli.usage import add_command
from proxy.coverage import CardRule, decided, rules_of
from proxy.errors import StartRefused
from proxy.rehearsal import Judged, rehearse

EPILOG = """\
examples:
  breakwater test policy-tests
  breakwater --config deploy/breakwater.yaml test policy-tests --every-rule
  breakwater test policy-tests/refunds.yaml --json

A file of cases names an agent, an API, and calls with what is expected of each:

  agent: support_refund_agent
  api: stripe
  answers: {charges.retrieve: {id: ch_1, currency: usd, amount: 18000}}
  cases:
    - case: a small refund passes
      call: {refunds.create: {charge: ch_1, amount: 2500}}
      expect: forward
    - case: a large one does not
      call: {refunds.create: {charge: ch_1, amount: 15000}}
      expect: limit-exceeded
    - case: one over 50 USD waits for finance
      call: {refunds.create: {charge: ch_1, amount: 6000}}
      expect: suggest
      causes: ["approval:refunds.create"]

No upstream and no credential is needed. Exits 1 where a case came out otherwise.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command is used.
    """
    add_command(parser, EPILOG, run)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of YAML files with cases, or one file")
    parser.add_argument("--every-rule", action="store_true", help="fail where a rule of a card decides no case")


def run(args: argparse.Namespace) -> int:
    """
    Judge every case, print what came out, and which rules decided none.
    """
    configuration = load(args.config)
    cases = read_cases(args.folder)
    judged = asyncio.run(_judged(cases, configuration))
    wrong = [(written, said) for written, said in zip(cases, judged, strict=True) if otherwise(written, said)]
    rules = rules_of(configuration)
    met = {rule for written, said in zip(cases, judged, strict=True) for rule in decided(written, said, configuration)}
    unmet = sorted(rules - met)
    if args.json:
        data(_report(cases, judged, rules, unmet))
    else:
        _print(cases, judged, wrong, rules, unmet)
    return 1 if wrong or (args.every_rule and unmet) else 0


async def _judged(cases: list[Written], configuration: Configuration) -> list[Judged]:
    policy = policy_of(configuration)
    judged = []
    for written in cases:
        try:
            judged.append(await rehearse(written, policy, configuration.catalogs))
        except StartRefused as no:
            raise StartRefused(f"{written.spot.file}:{written.spot.line}: {no.error}", no.hint) from None
    return judged


def otherwise(written: Written, said: Judged) -> str | None:
    """
    Return in words how a case came out otherwise than expected, or None.
    """
    case = written.case
    if case.expect not in {said.verdict, said.reason or said.verdict}:
        got = said.reason or said.verdict
        return f"expected {case.expect}, got {got}" + (f": {said.detail}" if said.detail else "")
    if case.causes is not None and sorted(case.causes) != sorted(said.causes):
        return f"expected it to be parked by {_named(case.causes)}, got {_named(said.causes)}"
    if case.gate is not None and said.gate != case.gate:
        return f"expected the gate {case.gate}, got {said.gate}"
    if case.says is not None and case.says not in said.detail:
        return f"expected it to say `{case.says}`, got: {said.detail}"
    return None


def _named(causes: tuple[str, ...]) -> str:
    return ", ".join(causes) or "nothing"


def _print(
    cases: list[Written],
    judged: list[Judged],
    wrong: list[tuple[Written, Judged]],
    rules: set[CardRule],
    unmet: list[CardRule],
) -> None:
    for written, said in zip(cases, judged, strict=True):
        why = otherwise(written, said)
        print(f"{'ok  ' if why is None else 'FAIL'}  {shown(written.case.case)}")
        if why is not None:
            print(f"      {written.spot.file}:{written.spot.line}: {shown(why)}")
    print(f"\n{len(cases)} cases, {len(cases) - len(wrong)} as expected")
    print(f"{len(rules) - len(unmet)} of {len(rules)} rules decided a case")
    for rule in unmet:
        print(f"  never: {rule}")


def _report(cases: list[Written], judged: list[Judged], rules: set[CardRule], unmet: list[CardRule]) -> object:
    return {
        "cases": [
            {
                "case": written.case.case,
                "at": f"{written.spot.file}:{written.spot.line}",
                "expected": written.case.expect,
                "verdict": said.verdict,
                "gate": said.gate or None,
                "reason": said.reason or None,
                "causes": list(said.causes),
                "detail": said.detail or None,
                "ok": otherwise(written, said) is None,
            }
            for written, said in zip(cases, judged, strict=True)
        ],
        "rules": {"all": len(rules), "decided": len(rules) - len(unmet), "never": [str(rule) for rule in unmet]},
        "passed": sum(said.verdict == FORWARD for said in judged),
        "parked": sum(said.verdict == SUGGEST for said in judged),
    }
