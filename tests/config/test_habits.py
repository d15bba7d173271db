"""What is said of loops, in an overlay and on a card: what it comes to, and how it can fail to fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from breakers.guard import USUAL, compile_guard
from config.faults import CatalogFault, ConfigurationFault
from config.habit import NO_HABIT, Habit, Polling
from config.load import Configuration, load
from tests.config.test_catalog_overlay import compiled, only
from tests.config.test_overlays import CATALOGS

CARD = """\
apis: {{github: {{catalog: github, credential: {{env: TOKEN}}}}}}
agents:
  clerk:
    purpose: Serve
    environment: test
    allow: {{github: {{"issues/*": {{}}}}}}
    loops: {loops}
"""


def written(folder: Path, loops: str) -> Configuration:
    path = folder / "breakwater.yaml"
    path.write_text(CARD.format(loops=loops))
    return load(path)


# what an overlay says of an operation, and what its habit is
@pytest.mark.parametrize(
    ("name", "said", "habit"),
    [
        ("pets.get", {}, NO_HABIT),
        ("pets.get", {"poll": {}}, Habit(Polling(1.0, 6 * 3600.0))),
        ("pets.get", {"poll": {"min_interval": "2s", "max": "1h"}}, Habit(Polling(2.0, 3600.0))),
        ("pets.sell", {"volatile": ["note"]}, Habit(volatile=("note",))),
        ("pets.sell", {"many": True}, Habit(many=True)),
    ],
)
def test_habits(name: str, said: dict[str, Any], habit: Habit) -> None:
    """An operation has the habits that its overlay says, and an operation without any has none."""
    assert only(compiled({name: said}), name).habit == habit


@pytest.mark.parametrize(
    ("name", "said", "fault"),
    [
        ("pets.sell", {"volatile": ["notes"]}, "it has no argument `notes`"),
        ("pets.sell", {"poll": {}}, "`poll` is for reads"),
        ("pets.get", {"many": True}, "`many` is for writes"),
        ("pets.get", {"poll": {"min_interval": "0s"}}, "a duration is more than nothing"),
    ],
)
def test_wrong_habits(name: str, said: dict[str, Any], fault: str) -> None:
    """A habit that does not fit its operation is a fault of the catalogue."""
    with pytest.raises(CatalogFault, match=fault):
        compiled({name: said})


# how loops are written on a card: what of it is wrong, at which column, and with which hint; nothing is
@pytest.mark.parametrize(
    ("loops", "fault", "column", "hint"),
    [
        ("{}", "", 0, ""),
        ("false", "", 0, ""),
        ('"off"', "", 0, ""),
        ("{writes: 100, task: {calls: 5, lasts: 2h}}", "", 0, ""),
        ("{volatile: {issues/create: [title]}, poll: {issues/list*: {min_interval: 20s, max: 24h}}}", "", 0, ""),
        ("off", "some readers of YAML take `off` for a boolean", 12, "write `false`"),
        ("true", "this must be a mapping, or `false`", 12, "leave it out"),
        ("null", "this must be a mapping, or `false`", 12, "leave it out"),
        ("{wirtes: 3}", "`wirtes` is unknown here", 13, "did you mean `writes`?"),
        ("{errors: 1}", "", 21, ""),
        ("{volatile: {issues/creat: [title]}}", "has an operation `issues/creat`", 24, "`issues/create`"),
        ("{volatile: {issues/create: [titel]}}", "has an argument `titel`", 40, "did you mean `title`?"),
        ("{volatile: {issues/create: []}}", "this must be a list of arguments", 39, "write `[nonce]`"),
        ("{volatile: {charges.*: [nonce]}}", "has an operation `charges.*`", 24, ""),
        ("{poll: {issues/create: {}}}", "only reads are polled", 20, "remove it"),
        ("{poll: {issues/get: {min_interval: 5}}}", "is not a duration", 47, "write its unit: `5s`"),
    ],
)
def test_cards(tmp_path: Path, loops: str, fault: str, column: int, hint: str) -> None:
    """What a card says of loops is read, or is a fault at its place with its fix."""
    try:
        written(tmp_path, loops)
    except ConfigurationFault as broken:
        (found,) = broken.faults
        assert (found.line, found.column) == (7, column)
        assert fault in found.message
        assert hint in found.hint
    else:
        assert not column


def test_compiled(tmp_path: Path) -> None:
    """A card adds to what its catalogue knows, and what it says of polling counts before that."""
    said = "{volatile: {issues/create: [title]}, poll: {issues/*: {max: 1h}}, answers: 20}"
    configuration = written(tmp_path, said)
    guard = compile_guard(configuration.agents["clerk"].loops, ["github"], configuration.catalogs)
    assert guard is not None
    github = configuration.catalogs["github"]
    create, get = github.operations["issues/create"], github.operations["issues/get"]
    assert guard.volatile("github", create) == ("title",)
    assert guard.polling("github", get) == Polling(1.0, 3600.0)
    run = github.operations["actions/get-workflow-run"]
    assert guard.polling("github", run) == USUAL.polling("github", run) == Polling(1.0, 6 * 3600.0)
    assert USUAL.polling("github", get) is None
    assert guard.answers == 20


@pytest.mark.parametrize(
    ("api", "name"),
    [
        ("github", "actions/get-workflow-run"),
        ("github", "checks/list-for-ref"),
        ("github", "pulls/list-reviews"),
        ("stripe", "payment_intents.retrieve"),
        ("stripe", "events.list"),
        ("jira", "getTask"),
    ],
)
def test_bundled_polls(api: str, name: str) -> None:
    """What people wait for at the bundled APIs is known to be polled."""
    assert CATALOGS[api].operations[name].habit.polling is not None


def test_bundled_places() -> None:
    """A refund is about its charge, a price about its product, and blobs are made in numbers."""
    assert CATALOGS["stripe"].operations["refunds.create"].habit.refers == ("charge", "customer", "payment_intent")
    assert CATALOGS["stripe"].operations["prices.create"].habit.refers == ("product",)
    assert CATALOGS["github"].operations["git/create-blob"].habit.many
