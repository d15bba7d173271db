"""Changes as people read them: a header for each object, the unexpected first, values cut where they are long."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from proxy.compare import Change, Note, change
from proxy.images import spell_image
from proxy.ledger.blobs import Digest, Kept, Opening
from proxy.ledger.changed import Changed
from proxy.ledger.difflines import LINES_MAX, WHY, Opened, change_lines, parsed_json, summary
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import Payloads, last_records
from proxy.ledger.show import as_json, lines
from proxy.paths import Foreseen
from tests.ledger.world import ANY_ROOM, Answered, World, outcome, wire, write

KNOWN = Foreseen(("/issue/title", "/issue/labels"), {"issue": ("comments",)}, frozenset({"issue"}))


def compared(before: Any, after: Any, known: Foreseen = KNOWN) -> Change:
    found = change(spell_image(before), spell_image(after), known, lambda: 0.0)
    assert isinstance(found, Change)
    return found


def parts(found: Change) -> dict[str, bytes]:
    paths = {name: getattr(found.paths, name) for name in ("requested", "expected", "unexpected", "unseen")}
    return {
        "patch": spell_image(found.patch),
        "inv": spell_image(found.inverse),
        "paths": json.dumps(paths).encode(),
    }


def printed(before: Any, after: Any, known: Foreseen = KNOWN, **more: Any) -> list[str]:
    found = compared(before, after, known)
    res = [{"type": kind, "id_h": f"h1:{n}", "act": str(act)} for kind, act in found.acts.items() for n in range(2)]
    opened: Opened = {name: Kept(data) for name, data in parts(found).items()}
    return list(change_lines({"prov": "github", "res": res, **more}, opened))


def test_update() -> None:
    """Unexpected changes come first and are marked, what changes by itself says so, what is unseen comes last."""
    before = {"issue": {"title": "Old", "comments": 1, "locked": False, "user": {"a/b": [1]}, "note": None}}
    after = {"issue": {"title": "New", "comments": 2, "locked": True, "user": {}, "state": {"is": "new"}, "note": None}}
    assert printed(before, after) == [
        "github issue changed: 1 requested, 1 expected, 3 unexpected, 1 unseen",
        "! ~ /locked  false → true  (unexpected)",
        '! + /state  {"is":"new"}  (unexpected)',
        "! - /user/a~1b  [1]  (unexpected)",
        '  ~ /title  "Old" → "New"',
        "  ~ /comments  1 → 2  (expected)",
        "  ? /labels  (asked for, and not to be seen afterwards)",
    ]


def test_whole_objects() -> None:
    """Of an object that came or went every member is shown, of one that stayed only that."""
    known = Foreseen((), {}, frozenset({"issue"}), frozenset({"label"}))
    before = {"issue": None, "label": {"name": "bug"}, "user": {"id": 1}, "file": {"sha": "a"}}
    after = {"issue": {"title": "x", "n": 1}, "label": None, "user": {"id": 1}, "file": None}
    assert printed(before, after, known) == [
        "github file deleted: 1 unexpected",
        '! - /sha  "a"  (unexpected)',
        "github issue created: 1 requested",
        '  + /title  "x"',
        "  + /n  1",
        "github label deleted: 1 requested",
        '  - /name  "bug"',
        "github user unchanged",
    ]


@pytest.mark.parametrize(
    ("before", "after", "line"),
    [
        ("é", "\n", '  ~ /title  "é" → "\\n"'),
        ("a" * 99, "b", f'  ~ /title  "{"a" * 59}… → "b"'),
        ("a" * 99 + "old", "a" * 99 + "new", f'  ~ /title  …{"a" * 12}old" → …{"a" * 12}new"'),
        ("a" * 99, "a" * 999, f'  ~ /title  …{"a" * 12}" → …{"a" * 60}…'),
        (1, [1] * 99, f"  ~ /title  1 → [{'1,' * 29}1…"),
    ],
)
def test_values(before: Any, after: Any, line: str) -> None:
    """A value is JSON on one line; of a long one its beginning is shown, of two alike where they part."""
    found = printed({"issue": {"title": before, "labels": []}}, {"issue": {"title": after, "labels": []}})
    assert found[1:] == [line]


def test_many() -> None:
    """More changes than a person reads are counted, and no unexpected one hides behind the others."""
    known = Foreseen(expected={"issue": ("e",)})
    before = {"issue": {"e": {str(n): 0 for n in range(99)}, "z": 0}}
    after = {"issue": {"e": {str(n): 1 for n in range(99)}, "z": 1}}
    found = printed(before, after, known)
    assert found[1] == "! ~ /z  0 → 1  (unexpected)"
    assert found[-1] == f"  … and {100 - LINES_MAX} more"
    assert len(found) == LINES_MAX + 2


@pytest.mark.parametrize("note", Note)
def test_notes(note: Note) -> None:
    """Where there is no diff, a sentence says why, and nobody claims that the object stayed as it was."""
    entry = {"prov": "jira", "res": [{"type": "issue", "id_h": "h1:x", "act": "none"}], "note": str(note)}
    assert list(change_lines(entry, {})) == ["jira issue not known to have changed", WHY[note]]
    assert summary(entry) == f"issue not known to have changed; {note}"


def test_never_stored() -> None:
    """Members that are never stored are counted, because no diff can show them."""
    same = {"issue": {"title": 1, "labels": 1}}
    assert printed(same, same, sens=2)[1:] == ["members that are never stored, and stand in no diff: 2"]


@pytest.mark.parametrize("patch", [Opening.ERASED, Digest(300_000, b"x" * 32), Kept(b"{}"), Kept(b"no JSON")])
def test_unreadable(patch: Any) -> None:
    """Without its patch a change still says what became of which object."""
    entry = {"prov": "github", "res": [{"type": "issue", "id_h": "h1:x", "act": "update"}], "n": {"unexpected": 2}}
    opened: Opened = {"patch": patch, "inv": Kept(b"[]"), "paths": Kept(b"{}")}
    assert list(change_lines(entry, opened)) == ["github issue changed"]
    assert summary(entry) == "issue changed; 2 unexpected"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": [1, 1.5, "\\u00e9"]}', {"json": {"a": [1, 1.5, "é"]}}),
        (b'{"a": 1.50}', {"json": {"a": 1.5}, "text": '{"a": 1.50}'}),
        (
            b'{"a": 0.12345678901234567890}',
            {"json": {"a": 0.12345678901234568}, "text": '{"a": 0.12345678901234567890}'},
        ),
        (b"-0", {"json": 0, "text": "-0"}),
        (b'"\\ud800"', {"text": '"\\ud800"'}),
        (b"1e999", {"text": "1e999"}),
        (b"no\xff", {"text": "no\\xff"}),
    ],
)
def test_parsed_json(data: bytes, said: Mapping[str, object]) -> None:
    """A payload of JSON is shown parsed, and as its text as well where numbers would lose some of it."""
    assert parsed_json(data) == said


@pytest.fixture
async def state(tmp_path: Path) -> Path:
    world = World(disk=RealDisk(), folder=tmp_path / "state", settings=ANY_ROOM)
    ledger = world.started()
    intent = await ledger.intend(write(1), wire())
    entry = await ledger.conclude(intent, outcome(), Answered())
    found = compared({"issue": {"title": "Old\x1b[31m", "labels": []}}, {"issue": {"title": "New", "labels": []}})
    held = parts(found)
    changed = Changed(
        (("issue", "7", "update"), ("issue", "I_7", "update")),
        b'{"issue":{}}',
        held["patch"],
        held["inv"],
        json.loads(held["paths"]),
    )
    ledger.change_recorded(intent, entry, changed)
    await ledger.close("stopped")
    return world.folder


def test_show(state: Path) -> None:
    """Among a call's records its change is printed as a diff, and as parsed members in JSON."""
    records = [record for record in last_records(RealDisk(), state / "ledger", 9) if "call" in record.entry]
    payloads = Payloads(RealDisk(), state)
    told = list(lines(records, payloads))
    at = next(n for n, line in enumerate(told) if "change.recorded  issue changed; 1 requested" in line)
    assert told[at + 1 :] == ["  stripe issue changed: 1 requested", '    ~ /title  "Old\\u001b[31m" → "New"']
    shown: Any = as_json(records[-1], payloads)["payloads"]
    assert shown["patch"] == {"json": [{"op": "replace", "path": "/issue/title", "value": "New"}]}
    assert shown["after"] == {"json": {"issue": {}}}
    payloads.close()


def test_show_erased(state: Path) -> None:
    """Where the change's key was destroyed, its record is printed and says so for each part."""
    (state / "keys.db").unlink()
    records = [record for record in last_records(RealDisk(), state / "ledger", 9) if record.kind == "change.recorded"]
    payloads = Payloads(RealDisk(), state)
    told = list(lines(records, payloads))
    assert "  stripe issue changed" in told
    assert "  patch: cannot be opened: its key was destroyed" in told
    payloads.close()
