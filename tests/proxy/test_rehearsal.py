"""Policy tests: a case is judged as a call is, held against what it expects, and rules that decide nothing show."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from proxy.cli import main
from tests.tidy.source import ROOT

CONFIG = """
admin: 127.0.0.1:0
apis:
  stripe:
    catalog: stripe
    credential: {env: STRIPE_SECRET_KEY}
agents:
  shop:
    purpose: Refund on behalf of support
    environment: test
    allow:
      stripe:
        charges.retrieve: {}
        refunds.create: {limit: {amount: 1..100 USD}, only: {reason: duplicate}}
    deny: {stripe: [payouts.*]}
    caps: {task: {moved: 200 USD, calls: 6}, month: {moved: 5000 USD}}
"""

CASES = """
agent: shop
api: stripe
answers:
  charges.retrieve: {id: ch_1, currency: usd, amount: 18000, amount_refunded: 0}
cases:
"""

REFUND = "{refunds.create: {charge: ch_1, amount: 2500, reason: duplicate}}"


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ask(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """
    Return what runs cases against the configuration: the exit code, and what was printed.
    """
    (tmp_path / "breakwater.yaml").write_text(CONFIG)
    (tmp_path / "cases").mkdir()

    def run(cases: str, *flags: str, head: str = CASES) -> tuple[int, str, str]:
        (tmp_path / "cases" / "some.yaml").write_text(head + cases)
        code = main(["--config", str(tmp_path / "breakwater.yaml"), "test", str(tmp_path / "cases"), *flags])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.mark.parametrize(
    ("call", "more", "expect"),
    [
        (REFUND, "", "forward"),
        ("{charges.retrieve: {charge: ch_1}}", "", "forward"),
        ("{refunds.create: {charge: ch_1, amount: 15000, reason: duplicate}}", "gate: limits", "limit-exceeded"),
        ("{refunds.create: {charge: ch_1, amount: 2500, reason: fraudulent}}", "says: reason", "not-allowed"),
        ("{refunds.create: {charge: ch_1, amount: two, reason: duplicate}}", "", "argument-mistyped"),
        (
            "{refunds.create: {charge: ch_1, amount: 2500, reason: duplicate, size: 1}}",
            "gate: edge",
            "argument-undeclared",
        ),
        ("{refunds.create: {charge: ../x, amount: 2500, reason: duplicate}}", "", "amount-unbounded"),
        ("{payouts.create: {amount: 1, currency: usd}}", "", "not-allowed"),
        (REFUND, "stopped: true", "killed"),
        (REFUND, "stopped: false", "forward"),
        (REFUND, "stopped: suggest", "suggest"),
        ("{charges.retrieve: {charge: ch_1}}", "stopped: stop-writes", "forward"),
        ("{charges.retrieve: {charge: ch_1}}", "stopped: stop-all", "killed"),
        (REFUND, "headers: {Stripe-Account: acct_1}", "not-allowed"),
        (REFUND, "spent: {task: {moved: 175 USD}}", "forward"),
        (REFUND, "spent: {task: {moved: 175.01 USD}}", "budget-exhausted"),
        (REFUND, "spent: {task: {moved: 9000 EUR}}", "forward"),
        (REFUND, "spent: {task: {calls: 5}}", "forward"),
        (REFUND, "spent: {task: {calls: 6}}", "budget-exhausted"),
        ("{charges.retrieve: {charge: ch_1}}", "spent: {task: {calls: 6}}", "budget-exhausted"),
        (REFUND, "spent: {agent: {month: {moved: 4980 USD}}}", "budget-exhausted"),
        (REFUND, "answers: {charges.retrieve: {id: ch_1, currency: eur, amount: 18000}}", "limit-exceeded"),
        (REFUND, "token: [m=GET]", "token-narrowed"),
        (REFUND, "token: ['r=refunds.*:rw', max=30USD]", "forward"),
        (REFUND, "token: [max=20USD]", "budget-exhausted"),
        (REFUND, "token: [env=test, exp=1900000000, nbf=1700000000]", "forward"),
        (REFUND, "token: [exp=1700000000]", "token-expired"),
        (REFUND, "token: [nbf=1900000000]", "token-expired"),
        (REFUND, "token: [env=production]", "key-unknown"),
    ],
)
def test_judged_as_a_call_is(ask: Run, call: str, more: str, expect: str) -> None:
    """A case comes out as the call would: from its bytes through every gate to the caps."""
    code, out, err = ask(f"  - {{case: this, call: {call}, expect: {expect}{', ' if more else ''}{more}}}\n")
    assert (code, err) == (0, ""), out
    assert out.startswith("ok    this\n")


def test_says_what_came_instead(ask: Run) -> None:
    """A case that came out otherwise fails the run, with its place, the verdict, and why."""
    code, out, _ = ask(
        f"  - {{case: passes, call: {REFUND}, expect: forward}}\n"
        f"  - {{case: is killed, call: {REFUND}, expect: killed}}\n"
    )
    assert code == 1
    assert "ok    passes\n" in out
    assert "FAIL  is killed\n" in out
    assert "some.yaml:8: expected killed, got forward\n" in out
    assert "2 cases, 1 as expected\n" in out


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("gate: allowlist", "expected the gate allowlist, got limits"),
        ("says: EUR", "expected it to say `EUR`, got: This"),
    ],
)
def test_reason_is_not_enough(ask: Run, more: str, said: str) -> None:
    """A case may ask which gate refused and what it said, and fails where that is otherwise."""
    call = "{refunds.create: {charge: ch_1, amount: 15000, reason: duplicate}}"
    code, out, _ = ask(f"  - {{case: this, call: {call}, expect: limit-exceeded, {more}}}\n")
    assert code == 1
    assert said in out


ALL = f"""
  - {{case: a, call: {REFUND}, expect: forward}}
  - {{case: b, call: {{charges.retrieve: {{charge: ch_1}}}}, expect: forward}}
  - {{case: c, call: {{refunds.create: {{charge: ch_1, amount: 15000, reason: duplicate}}}}, expect: limit-exceeded}}
  - {{case: d, call: {{refunds.create: {{charge: ch_1, amount: 2500}}}}, expect: not-allowed}}
  - {{case: e, call: {{payouts.list: {{}}}}, expect: not-allowed}}
  - {{case: f, call: {REFUND}, spent: {{task: {{moved: 180 USD}}}}, expect: budget-exhausted}}
  - {{case: g, call: {REFUND}, spent: {{agent: {{month: {{moved: 4999 USD}}}}}}, expect: budget-exhausted}}
"""


def test_rules_that_decide_nothing(ask: Run) -> None:
    """Every rule that decided no case is named, and fails the run where that is asked for."""
    code, out, _ = ask(ALL, "--every-rule")
    assert code == 1
    assert "7 of 8 rules decided a case\n  never: shop cap task calls\n" in out
    calls = f"  - {{case: h, call: {REFUND}, spent: {{task: {{calls: 6}}}}, expect: budget-exhausted}}\n"
    code, out, _ = ask(ALL + calls, "--every-rule")
    assert (code, "never:" in out) == (0, False)
    assert ask(ALL)[0] == 0


CHECKED = """
        customers.delete:
          look: {whose: {customers.retrieve: {customer: args.customer}}}
          refuse_if:
            owing:
              when: look.whose.balance > 0
              examples:
                - {makes: true, args: {customer: cus_1}, look: {whose: {balance: 5}}}
                - {makes: false, args: {customer: cus_1}, look: {whose: {balance: 0}}}
"""


def test_unchecked_is_not_decided(ask: Run, tmp_path: Path) -> None:
    """A condition that refuses because its look-up is not told has decided nothing."""
    allow = CONFIG.replace("    deny:", CHECKED.strip("\n") + "\n    deny:")
    (tmp_path / "breakwater.yaml").write_text(allow)
    case = "  - {case: i, call: {customers.delete: {customer: cus_1}}, expect: condition-refused"
    _, out, err = ask(f"{case}}}\n")
    assert (err, "never: shop refuse_if stripe customers.delete owing" in out) == ("", True)
    told = f"{case}, answers: {{customers.retrieve: {{balance: 5}}}}}}\n"
    assert "owing" not in ask(told)[1]
    # What no road would ask is not told either, whatever the case says of it.
    (tmp_path / "breakwater.yaml").write_text(allow.replace("customer: args.customer}}", "customer: '\"a/b\"'}}"))
    assert "never: shop refuse_if stripe customers.delete owing" in ask(told)[1]


def test_as_data(ask: Run) -> None:
    """`--json` prints each case with what came out, and the rules that decided none."""
    _, out, _ = ask(f"  - {{case: this, call: {REFUND}, expect: killed}}\n", "--json")
    said = json.loads(out)
    assert said["cases"][0] | {"at": ""} == {
        "case": "this",
        "at": "",
        "expected": "killed",
        "verdict": "forward",
        "gate": None,
        "reason": None,
        "causes": [],
        "detail": None,
        "ok": False,
    }
    assert said["rules"]["decided"] == 1


@pytest.mark.parametrize(
    ("cases", "error", "hint"),
    [
        ("  - {case: a, call: {refunds.create: {}}}", "`expect` is missing", "add `expect:`"),
        ("  - {case: a, call: {}, expect: forward}", "a case is one call", "write `call: {OPERATION"),
        (
            "  - {case: a, call: {refunds.creat: {}}, expect: forward}",
            "`stripe` has no operation `refunds.creat`",
            "refunds.create",
        ),
        ("  - {case: a, call: {refunds.create: {}}, expect: forward, agent: shp}", "no agent is called `shp`", "shop"),
        (
            "  - {case: a, call: {refunds.create: {}}, expect: forward, api: strip}",
            "no API is called `strip`",
            "stripe",
        ),
        ("  - {case: a, call: {refunds.create: {}}, expect: forward, at: noon}", "this is no moment", "in quotes"),
        ("  - {case: a, call: {charges.retrieve: {}}, expect: forward}", "is not filled", "state each argument"),
        (
            f"  - {{case: a, call: {REFUND}, expect: forward, spent: {{agent: {{hour: {{calls: 3}}}}}}}}",
            "no cap counts `spent.agent.hour.calls` for this call",
            "cap it, or leave it out",
        ),
        ("  - {case: a, cal: {}, expect: forward}", "`cal` is unknown here", "call"),
        (f"  - {{case: a, call: {REFUND}, expect: forward, token: [maxx=1USD]}}", "`maxx=1USD` narrows no", "max"),
        (f"  - {{case: a, call: {REFUND}, expect: forward, token: [m=get]}}", "`m=get` narrows no token", "m=GET"),
        (f"  - {{case: a, call: {REFUND}, expect: forward, token: [ip=::1]}}", "whether `ip` holds", "leave it out"),
    ],
)
def test_wrong_cases(ask: Run, cases: str, error: str, hint: str) -> None:
    """A case that cannot be run is an error with its place and what to write instead."""
    code, _, err = ask(cases + "\n")
    assert code == 1
    assert error in err
    assert hint in err
    assert "some.yaml:" in err


def test_nothing_to_run(ask: Run, tmp_path: Path) -> None:
    """A folder without cases is an error: a test that runs nothing must not pass."""
    (tmp_path / "empty").mkdir()
    code = main(["--config", str(tmp_path / "breakwater.yaml"), "test", str(tmp_path / "empty")])
    assert code == 1


def test_the_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The example policy ships with its own tests: they pass, and meet every rule that can decide anything there."""
    example = ROOT / "config"
    assert main(["--config", str(example / "example.yaml"), "test", str(example / "example-tests"), "--json"]) == 0
    never = json.loads(capsys.readouterr().out)["rules"]["never"]
    # Nothing has a price there; and two objects are refused for their amount, before anyone asks the condition.
    assert never == [
        "support_refund_agent cap task paid",
        "support_refund_agent require stripe refunds.create one-object",
    ]
