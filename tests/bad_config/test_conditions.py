"""Conditions that name what is not there, that say something else than their examples, or have none."""

from __future__ import annotations

from pathlib import Path
from textwrap import indent

import pytest

from config.load import Configuration, load
from tests.config.shop import faults, open_catalog

HEAD = """\
apis:
  shop: {catalog: shop, credential: {env: SHOP_KEY}}
agents:
  clerk:
    purpose: Serve
    environment: test
    allow:
      shop:
"""
LINE = HEAD.count("\n")

GOOD = """\
refunds.create:
  look: {paid: {charges.retrieve: {id: args.charge}}}
  refuse_if:
    large:
      when: args.amount > 500 || look.paid.amount < args.amount
"""
EXAMPLES = """\
      examples:
        - {makes: true, args: {amount: 501, charge: ch_1}, look: {paid: {amount: 600}}}
        - {makes: true, args: {amount: 5, charge: ch_1}, look: {paid: {amount: 4}}}
        - {makes: false, args: {amount: 5, charge: ch_1}, look: {paid: {amount: 6}}}
"""
GOOD += EXAMPLES
FILE = """\
refunds.create:
  refuse_if:
    large: {when: args.amount > 500, examples: examples/large.yaml}
"""
BOTH = "examples: [{makes: true, args: {amount: 1}}, {makes: false, args: {amount: 2}}]"

# what of GOOD is changed into what, then every fault: its line in GOOD (from 1), part of the message, part of the hint
CHANGED: dict[str, tuple[str, str, list[tuple[int, str, str]]]] = {
    "nothing": ("", "", []),
    "a root": (
        "args.amount > 500",
        "agrs.amount > 500",
        [(5, "`agrs` is nothing that a condition can read", "`args`")],
    ),
    "an argument": ("args.amount > 500", "args.amuont > 500", [(5, "no argument `amuont`", "`amount`")]),
    "another place": ("args.amount > 500", "path.amount > 500", [(5, "no argument `path.amount`", "`body.amount`")]),
    "a look-up": (
        "look.paid.amount <",
        "look.piad.amount <",
        [(2, "no condition here reads `look.paid`", "remove it"), (5, "no look-up `piad`", "`paid`")],
    ),
    "a member of a root": ("args.amount > 500", "local.huor > 1", [(5, "`local` has no member `huor`", "`hour`")]),
    "no CEL": (
        "args.amount > 500",
        "args.amount >> 500",
        [(5, "the expression cannot be read at `>` at character 14", "")],
    ),
    "no text": (
        "args.amount > 500 || look.paid.amount < args.amount",
        "true",
        [(5, "a condition is an expression", "args.amount < 5000")],
    ),
    "never equal": (
        "args.amount > 500",
        "args.amount == '500'",
        [(5, "`args.amount` is never equal to `500`, which is no number", "without quotes")],
    ),
    "never in": (
        "args.amount > 500",
        "args.charge in [1, 2]",
        [(5, "`args.charge` is never equal to `1`, which is no text", "quotes"), (5, "equal to `2`", "")],
    ),
    "an operation": (
        "charges.retrieve",
        "charges.retreive",
        [(2, "has no operation `charges.retreive`", "`charges.retrieve`")],
    ),
    "a write": (
        "{charges.retrieve: {id: args.charge}}",
        "{refunds.create: {amount: 1}}",
        [(2, "`refunds.create` is no read that can be looked up", "shows or lists")],
    ),
    "an argument of the look-up": (
        "{id: args.charge}",
        "{di: args.charge, id: args.charge}",
        [(2, "`charges.retrieve` has no argument `di`", "known here: id")],
    ),
    "an argument for the look-up": (
        "{id: args.charge}",
        "{id: args.chrage}",
        [(2, "no argument `chrage`", "`charge`")],
    ),
    "a missing one": ("{id: args.charge}", "{}", [(2, "`charges.retrieve` needs `id`", "`id: args.id`")]),
    "a look-up in a look-up": (
        "{id: args.charge}",
        "{id: look.paid.id}",
        [(2, "what is looked up cannot depend on `look`", "args.charge")],
    ),
    "two reads": (
        "{charges.retrieve: {id: args.charge}}",
        "{charges.retrieve: {id: args.charge}, charges.list: {}}",
        [(2, "a look-up is one read", "")],
    ),
    "a name of a look-up": ("{paid:", "{Paid-:", [(2, "`Paid-` is no name of a look-up", "small letters")]),
    "a name of a condition": (
        "    large:",
        "    Large One:",
        [(4, "`Large One` is no name of a condition", "small letters")],
    ),
    "no examples": (
        EXAMPLES,
        "",
        [(4, "`examples` is missing", "add `examples:`")],
    ),
    "none that is false": (
        "makes: false",
        "makes: true",
        [(9, "this example makes `large` false, not true", "correct the example")],
    ),
    "not one that is false": (
        "        - {makes: false, args: {amount: 5, charge: ch_1}, look: {paid: {amount: 6}}}\n",
        "",
        [(7, "`large` has no example that makes it false", "add one")],
    ),
    "one that is true": (
        "makes: true, args: {amount: 501",
        "makes: false, args: {amount: 501",
        [(7, "this example makes `large` true, not false", "")],
    ),
    "no mapping": ("{paid: {charges.retrieve: {id: args.charge}}}", "[]", [(2, "this must be a mapping", "")]),
    "nothing there": (
        "look: {paid: {charges.retrieve: {id: args.charge}}}",
        "look:",
        [(2, "this must be a mapping", "")],
    ),
    "an example's argument": ("{amount: 501,", "{amuont: 501,", [(7, "has no argument `amuont`", "`amount`")]),
    "its kind": ("{amount: 501,", "{amount: '501',", [(7, "`amount` is of kind integer", "as it is sent")]),
    "its look-up": ("look: {paid: {amount: 600}}", "look: {piad: {amount: 600}}", [(7, "no look-up `piad`", "`paid`")]),
    "an answer it lacks": (
        "look: {paid: {amount: 4}}",
        "look: {paid: {}}",
        [(8, "says nothing of this example: `amount` is not there", "the API show")],
    ),
    "an argument it lacks": (
        "{amount: 501, charge: ch_1}",
        "{amount: 501}",
        [(7, "`look.paid` cannot be made for this example: of `id`, `charge` is not there", "add the argument")],
    ),
    "no truth": (
        "{makes: true, args: {amount: 501",
        "{makes: 1, args: {amount: 501",
        [(7, "this must be true or false", "")],
    ),
    "an unknown key": (
        "{makes: true, args: {amount: 501",
        "{makes: true, arg: {amount: 501",
        [(7, "`arg` is unknown here", "`args`")],
    ),
    "a moment": (
        "{makes: true, args: {amount: 501",
        "{makes: true, now: noon, args: {amount: 501",
        [(7, "this is no moment", "zone")],
    ),
}


def _written(folder: Path, rule: str) -> Path:
    path = folder / "breakwater.yaml"
    path.write_text(HEAD + indent(rule, " " * 8))
    return path


@pytest.mark.parametrize("name", CHANGED)
def test_changed(name: str, tmp_path: Path) -> None:
    """One wrong word in a condition, its look-up or its examples is a fault in its line, with the right spelling."""
    before, after, expected = CHANGED[name]
    assert before in GOOD
    found = faults(_written(tmp_path, GOOD.replace(before, after, 1)))
    assert [fault.line - LINE for fault in found] == [line for line, _, _ in expected], found
    for fault, (_, message, hint) in zip(found, expected, strict=True):
        assert message in fault.message
        assert hint in fault.hint


# another rule, and its faults
RULES: dict[str, tuple[str, list[tuple[int, str, str]]]] = {
    "two places": (
        f"refunds.move:\n  require:\n    one: {{when: args.charge == 1, {BOTH}}}\n",
        [
            (3, "`charge` stands in several places of `refunds.move`", "`path.charge` or `body.charge`"),
            (3, "", ""),
            (3, "", ""),
        ],
    ),
    "one of two places": (
        (
            "refunds.move:\n  require:\n    one:\n      when: path.charge == 1\n"
            "      examples: [{makes: true, args: {path.charge: 1}}, {makes: false, args: {path.charge: 2}}]\n"
        ),
        [],
    ),
    "one name twice": (
        (
            f"refunds.create:\n  refuse_if:\n    one: {{when: args.amount == 1, {BOTH}}}\n"
            f"  require:\n    one: {{when: args.amount == 1, {BOTH}}}\n"
        ),
        [(5, "`one` is the name of another condition", "another name")],
    ),
    "without the time": (
        (
            "refunds.create:\n  require:\n    day:\n      when: local.hour >= 9\n"
            '      examples: [{makes: true, now: "2026-11-21T10:00:00Z"}, {makes: false}]\n'
        ),
        [(5, "`day` asks for the time", "add `now:")],
    ),
    "a glob": (
        f"'*.create':\n  refuse_if:\n    large: {{when: args.amount > 1, {BOTH}}}\n",
        [(3, "`files.create` has no argument `amount`", ""), (3, "", ""), (3, "", "")],
    ),
    "an operation of a glob": (
        (
            "'*.create':\n  refuse_if:\n    files:\n      when: operation == 'files.create'\n"
            "      examples: [{makes: true, operation: files.create}, {makes: false, operation: refunds.create}]\n"
        ),
        [],
    ),
    "no operation of a glob": (
        (
            "'*.create':\n  refuse_if:\n    files:\n      when: operation == 'files.create'\n"
            "      examples: [{makes: true, operation: files.create}, {makes: false, operation: charges.list}]\n"
        ),
        [(5, "this rule allows no operation `charges.list`", "known here: files.create")],
    ),
    "a task": (
        (
            "refunds.create:\n  require:\n    ticket:\n      when: task.opened && task.record.startsWith('ticket:')\n"
            "      examples: [{makes: true, task: {record: 'ticket:1'}}, "
            "{makes: false, task: {record: x}}, {makes: false}]\n"
        ),
        [],
    ),
    "no such label": (
        (
            "refunds.create:\n  require:\n    ticket:\n      when: task.opened\n"
            "      examples: [{makes: true, task: {recrod: 'ticket:1'}}, {makes: false}]\n"
        ),
        [(5, "a task has no `recrod`", "`record`")],
    ),
    "money": (
        (
            "refunds.create:\n  require:\n    small:\n      when: moved.currency == 'USD' && moved.amount <= 5000000\n"
            "      examples: [{makes: true, moved: 5 USD}, {makes: false, moved: 5.01 USD}, "
            "{makes: false, moved: 5 EUR}]\n"
        ),
        [],
    ),
    "a card's own conditions": ("refunds.create: {when: args.amount > 1}\n", [(1, "`when` is unknown here", "")]),
}


@pytest.mark.parametrize("name", RULES)
def test_rules(name: str, tmp_path: Path) -> None:
    """A condition is held against every operation of its rule, against time, task and money, and its examples."""
    rule, expected = RULES[name]
    found = faults(_written(tmp_path, rule))
    assert [fault.line - LINE for fault in found] == [line for line, _, _ in expected], found
    for fault, (_, message, hint) in zip(found, expected, strict=True):
        assert message in fault.message
        assert hint in fault.hint


# the file of FILE, and every fault: in which file, its line, part of the message
FILES: dict[str, tuple[str | None, list[tuple[str, int, str]]]] = {
    "good": (
        (
            "# Refunds above five are large.\nexamples:\n  - {makes: true, args: {amount: 501}}\n"
            "  - {makes: false, args: {amount: 500}}\n"
        ),
        [],
    ),
    "missing": (
        None,
        [("breakwater.yaml", LINE + 3, "`examples/large.yaml` cannot be read: No such file or directory")],
    ),
    "wrong": (
        "examples:\n  - {makes: true, args: {amount: 501}}\n  - {makes: false, args: {amount: 502}}\n",
        [("large.yaml", 3, "this example makes `large` true, not false")],
    ),
    "one kind": (
        "examples:\n  - {makes: true, args: {amount: 501}}\n",
        [("breakwater.yaml", LINE + 3, "`large` has no example that makes it false")],
    ),
    "none": (
        "examples: []\n",
        [("breakwater.yaml", LINE + 3, "makes it false"), ("breakwater.yaml", LINE + 3, "makes it true")],
    ),
    "no list": ("examples: {makes: true}\n", [("large.yaml", 1, "a file of examples holds one list")]),
    "more than one list": ("examples: []\nmore: []\n", [("large.yaml", 1, "a file of examples holds one list")]),
    "no YAML": ("examples: [\n", [("large.yaml", 2, "this is not YAML")]),
    "twice": ("examples: []\nexamples: []\n", [("large.yaml", 2, "`examples` stands here twice")]),
    "a place": (
        "examples:\n  - makes: true\n    args:\n      amuont: 1\n  - {makes: false, args: {amount: 1}}\n",
        [("large.yaml", 4, "has no argument `amuont`")],
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files(name: str, tmp_path: Path) -> None:
    """Examples may stand in a file beside the configuration, and what is wrong in it has its own file and line."""
    text, expected = FILES[name]
    path = _written(tmp_path, FILE)
    (tmp_path / "examples").mkdir()
    if text is not None:
        (tmp_path / "examples" / "large.yaml").write_text(text)
    found = [(Path(fault.file).name, fault.line, fault.message) for fault in faults(path)]
    assert [place[:2] for place in found] == [place[:2] for place in expected], found
    assert all(part in message for (_, _, message), (_, _, part) in zip(found, expected, strict=True))


def test_too_many(tmp_path: Path) -> None:
    """A condition has at most a hundred examples, because each is run at every start."""
    many = ", ".join(["{makes: true, args: {amount: 501}}"] * 101)
    rule = f"refunds.create:\n  refuse_if:\n    large: {{when: args.amount > 500, examples: [{many}]}}\n"
    assert [fault.message for fault in faults(_written(tmp_path, rule))] == ["a condition has at most 100 examples"]


def test_version(tmp_path: Path) -> None:
    """A condition is part of what a configuration's version is made from."""

    def version(rule: str) -> str:
        configuration: Configuration = load(_written(tmp_path, rule), open_catalog)
        return configuration.version

    assert version(GOOD) == version(GOOD) != version(GOOD.replace("> 500", "> 400"))
