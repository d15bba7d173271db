"""
What a scene may say of the record: it is read from the files, beside the process; a call as an operator is shown it.

A read's entry and a change are written off the road, so both may come a moment after the answer: they are waited for,
and not for ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadtest.installation import Breakwater
from proxy.ledger.disk import RealDisk
from proxy.ledger.read import last_records, ledger_in

# Far longer than a change takes to be written on a machine that does everything else at once.
SOON_S = 20.0
_STEP_S = 0.05

# More than the demo makes: its record is read whole.
RECORDS_MAX = 1000

# Changed members that are shown below a scene: it shows what a diff looks like, the command shows the whole of it.
DIFF_LINES = 4


class UnexpectedError(Exception):
    """
    A scene did not come out as it must.
    """


@dataclass(frozen=True, slots=True)
class Shown:
    """
    How a scene came out: one sentence, the id of its call where it has one, and the lines of its diff.
    """

    sentence: str
    call: str = ""
    diff: tuple[str, ...] = ()


def expect(held: object, what: str) -> None:
    """
    Raise unless a scene's promise held.
    """
    if not held:
        raise UnexpectedError(what)


def call_in(answer: Any) -> str:
    """
    Return the id of the call, from the headers of an SDK's answer or error.
    """
    call = {name.lower(): value for name, value in answer.headers.items()}.get("breakwater-call", "")
    expect(call, "the answer names no call")
    return str(call)


def expect_refusal(error: str, sentence: str | None, reason: str, body: object, call: str) -> Shown:
    """
    Raise unless an SDK's own error gives the reason, and says first that nothing happened.
    """
    expect(reason in str(body), f"refused as {body}")
    expect((sentence or "").startswith("Nothing was sent"), f"the SDK says: {sentence}")
    return Shown(f"{error}: {sentence}", call)


@dataclass(frozen=True, slots=True)
class Record:
    """
    What is on record of one installation.
    """

    breakwater: Breakwater

    def newest(self, api: str, operation: str) -> str:
        """
        Return the id of the newest write of that operation: not every SDK shows the headers of an answer.
        """
        calls = [
            entry["call"]
            for entry in self._entries()
            if (entry["k"], entry.get("prov"), entry.get("op")) == ("call.intent", api, operation)
        ]
        expect(calls, f"no {operation} is on record")
        return str(calls[-1])

    def expect_changed(self, call: str, path: str, before: object, after: object) -> tuple[str, ...]:
        """
        Fail unless a call's change says that what is at `path` was the one and became the other; return how people
        read the diff of that object.
        """
        change = self._change(call)
        patch, inverse = (
            {op["path"]: op for op in change[part]["json"] if op["op"] != "test"} for part in ("patch", "inv")
        )
        expect(path in patch, f"{path} is not in the diff of {call}, but {sorted(patch)}")
        was, now = inverse[path].get("value"), patch[path].get("value")
        expect((was, now) == (before, after), f"{path} is recorded as {was} → {now}")
        return self._diff(call, path.split("/")[1])

    def expect_sent(self, api: str, arrived: Callable[[], int]) -> None:
        """
        Fail unless as many requests to an API are on record as arrived there: nothing went round Breakwater.
        """
        until = time.monotonic() + SOON_S
        # In this order: what is on record has arrived, so if it is all that ever arrived, nothing else had.
        while (recorded := self._sent(api)) != (there := arrived()):
            expect(time.monotonic() < until, f"{there} requests arrived at {api}, {recorded} are on record")
            time.sleep(_STEP_S)

    def _sent(self, api: str) -> int:
        entries = self._entries()
        calls = {entry["call"] for entry in entries if entry.get("prov") == api}
        return sum(entry.get("sent") == "yes" and entry["call"] in calls for entry in entries)

    def _entries(self) -> list[Mapping[str, Any]]:
        disk = RealDisk()
        return [record.entry for record in last_records(disk, ledger_in(disk, self.breakwater.state), RECORDS_MAX)]

    def _change(self, call: str) -> Mapping[str, Any]:
        """
        Return the payloads of a call's change, once it is there.
        """
        until = time.monotonic() + SOON_S
        while time.monotonic() < until:
            # A command takes long enough to be its own pause.
            shown = self.breakwater.cli("ledger", "show", call, "--json")
            expect(shown.code == 0, shown.err)
            for record in shown.json:
                if record["entry"]["k"] == "change.recorded":
                    payloads: dict[str, Any] = record["payloads"]
                    expect(payloads.keys() >= {"patch", "inv"}, f"the change of {call} has no diff: {record['entry']}")
                    return payloads
        raise UnexpectedError(f"no change of {call} is on record")

    def _diff(self, call: str, kind: str) -> tuple[str, ...]:
        """
        Return the lines of one object in what `ledger show` prints of a change, indented.
        """
        shown = self.breakwater.cli("ledger", "show", call)
        expect(shown.code == 0, shown.err)
        lines = iter(shown.out.partition("  change.recorded  ")[2].splitlines())
        header = next((line for line in lines if f" {kind} changed: " in line), None)
        expect(header, f"`ledger show` prints no diff of the {kind}")
        below = []
        for line in lines:
            if not line.startswith("    "):
                break
            below.append(line)
        more = [f"    … and {len(below) - DIFF_LINES} more"] if len(below) > DIFF_LINES else []
        return tuple(line[2:] for line in (str(header), *below[:DIFF_LINES], *more))
