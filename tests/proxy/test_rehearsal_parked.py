"""Policy tests of what is parked: a case says so, by what, and what its caller is told; tiers and rules are met."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proxy.cli import main
from tests.proxy.test_rehearsal import CASES, CONFIG

SMALL, LARGE = (f"{{refunds.create: {{charge: ch_1, amount: {cents}, reason: duplicate}}}}" for cents in (2500, 6000))
DELETE = "{customers.delete: {customer: cus_1}}"
OPERATORS = "operators: {ada: {roles: [finance, approver]}}\n"
PARKING = OPERATORS + CONFIG.replace("environment: test", "environment: test\n    tier: suggest").replace(
    "refunds.create: {", "customers.delete: {tier: shadow}\n        refunds.create: {tier: auto, approve: "
    "{over: 50 USD, by: finance}, "
)  # fmt: skip


def run(folder: Path, cases: str, *flags: str) -> int:
    """
    Run cases against a configuration that parks.
    """
    (folder / "breakwater.yaml").write_text(PARKING)
    (folder / "cases.yaml").write_text(CASES + cases)
    return main(["--config", str(folder / "breakwater.yaml"), "test", str(folder / "cases.yaml"), *flags])


# the call, what is expected of it, and what is wrong with that
EXPECTED: list[tuple[str, str, str]] = [
    (SMALL, "forward", ""),
    (LARGE, "suggest", ""),
    (LARGE, "approval-pending", ""),
    (LARGE, "suggest, causes: ['approval:refunds.create']", ""),
    (LARGE, "suggest, says: this moves 60.00 USD", ""),
    (DELETE, "suggest, causes: ['tier:shadow']", ""),
    (DELETE, "suggest-only", ""),
    (LARGE, "suggest-only", "expected suggest-only, got approval-pending"),
    (LARGE, "forward", "expected forward, got approval-pending: `refunds.create` over 50.00 USD waits for"),
    (LARGE, "suggest, causes: ['tier:suggest']", "parked by tier:suggest, got approval:refunds.create"),
    (LARGE, "suggest, causes: []", "parked by nothing, got approval:refunds.create"),
    (SMALL, "suggest", "expected suggest, got forward"),
    (f"{LARGE}, token: [appr=required]", "suggest, causes: ['token:appr', 'approval:refunds.create']", ""),
]


@pytest.mark.parametrize(("call", "expect", "wrong"), EXPECTED)
def test_expected(tmp_path: Path, capsys: pytest.CaptureFixture[str], call: str, expect: str, wrong: str) -> None:
    """A case expects that a write is parked, by exactly these causes, or the reason that its caller is told."""
    code = run(tmp_path, f"  - {{case: this, call: {call}, expect: {expect}}}\n")
    out = capsys.readouterr().out
    assert code == bool(wrong), out
    assert wrong in out


def test_coverage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A tier and an approval rule that park no case are named as any rule that decides none."""
    assert run(tmp_path, f"  - {{case: a, call: {SMALL}, expect: forward}}\n", "--json") == 0
    never = json.loads(capsys.readouterr().out)["rules"]["never"]
    parking = ["shop approve stripe refunds.create", "shop tier suggest", "shop tier stripe customers.delete shadow"]
    assert [rule for rule in never if " tier" in rule or " approve " in rule] == parking
    assert "shop allow stripe refunds.create" not in never
    cases = f"  - {{case: a, call: {LARGE}, expect: suggest}}\n  - {{case: b, call: {DELETE}, expect: suggest}}\n"
    assert run(tmp_path, cases, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    never = [rule for rule in said["rules"]["never"] if " tier" in rule or " approve " in rule]
    # Each write of this card has a tier of its own, and nothing passed by `auto`.
    assert never == ["shop tier suggest", "shop tier stripe refunds.create auto"]
    assert "shop allow stripe customers.delete" not in said["rules"]["never"]
    assert (said["passed"], said["parked"]) == (0, 2)
    assert [case["reason"] for case in said["cases"]] == ["approval-pending", "suggest-only"]
