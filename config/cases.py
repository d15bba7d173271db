"""
Tables of calls with the verdict that a policy should give, as people write them: what `breakwater test` runs.

A file names an agent, an API and a moment once, for all its cases, and what the API would answer to reads that a
judgement asks for. A case is a call and what is expected of it: `forward`, `suggest`, or the reason of the refusal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from config.caps import NO_CAPS, Caps, PeriodCaps
from config.faults import ConfigurationFault, Fault, Unreadable
from config.shape import Places, shaped
from config.source import Spot, read_source
from config.written import Frozen, Seconds, Strict, Text

STOPS = ("suggest", "stop-writes", "stop-all")
"""How much an operator may have stopped."""

FORWARD, SUGGEST = "forward", "suggest"
"""What is expected of a call that passes, and of a write that is parked; anything else is a reason."""


def _moment(written: object) -> datetime:
    try:
        at = datetime.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Unreadable("this is no moment", 'write it in quotes and with its zone: "2026-11-21T10:00:00Z"')
    return at


def _one(written: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(written) != 1:
        raise Unreadable("a case is one call", "write `call: {OPERATION: {ARGUMENT: VALUE}}`")
    return written


def _mode(written: object) -> str | None:
    if isinstance(written, bool):
        return "stop-writes" if written else None
    if written in STOPS:
        return str(written)
    raise Unreadable("nothing is stopped in this way", f"write `true`, or {', '.join(f'`{mode}`' for mode in STOPS)}")


Moment = Annotated[datetime, BeforeValidator(_moment)]
Arguments = Annotated[Mapping[str, Any], BeforeValidator(lambda written: {} if written is None else written)]


class Spent(Strict):
    """
    What was taken already of the caps above a call: in the life of its task, and in the current periods of the others.
    """

    task: Caps = NO_CAPS
    """Of the caps of its task."""
    agent: PeriodCaps = PeriodCaps()
    """Of its agent's."""
    team: PeriodCaps = PeriodCaps()
    """Of its team's."""
    api: PeriodCaps = PeriodCaps()
    """Of the API account's."""

    def of(self, kind: str, span: str) -> Caps:
        """
        Return what was taken at a kind of node over a span: `life`, `hour`, `day` or `month`.
        """
        if kind == "task":
            return self.task
        period = {"agent": self.agent, "team": self.team, "api": self.api}.get(kind, PeriodCaps())
        return period.by_period.get(span, NO_CAPS)


class Case(Strict):
    """
    One call and the verdict that it should have.
    """

    case: Text
    """What it shows, in a sentence."""
    call: Annotated[Frozen[Arguments], AfterValidator(_one)]
    """The call: `{OPERATION: {ARGUMENT: VALUE}}`, with `path.`, `query.` or `body.` before a name to mean one place."""
    expect: Text
    """`forward`, `suggest` where it is parked, or the reason that its caller is told."""
    causes: tuple[Text, ...] | None = None
    """What should park it, all of it: `[tier:suggest, approval:refunds.create]`."""
    gate: Text | None = None
    """The gate that should refuse it."""
    says: Text | None = None
    """Words that the refusal should say."""
    agent: Text | None = None
    """The agent, where it is not the file's."""
    api: Text | None = None
    """The API account, where it is not the file's."""
    at: Moment | None = None
    """When it is judged, where not at the file's moment."""
    key: Text | None = None
    """Its idempotency key."""
    headers: Frozen[Text] = Field(default_factory=dict, validate_default=True)
    """Further request headers."""
    earlier_s: Seconds | None = Field(default=None, alias="earlier")
    """How long ago an equal call of another key took effect: `10m`."""
    stopped: Annotated[str | None, BeforeValidator(_mode)] = None
    """What an operator has stopped: `true` or `stop-writes`, `suggest`, `stop-all`."""
    opened: bool | None = None
    """Whether it is made under a task that was opened for it, where not as the file says."""
    labels: Frozen[Text] = Field(default_factory=dict, validate_default=True)
    """Of that task: `model`, `prompt`, `record`."""
    token: tuple[Text, ...] = ()
    """To what its token was narrowed: `[r=refunds.*:rw, max=50USD]`."""
    spent: Spent = Spent()
    """What was taken already: `{task: {moved: 150 USD}, agent: {month: {moved: 4900 USD}}}`."""
    answers: Frozen[Any] = Field(default_factory=dict, validate_default=True)
    """What the API would answer to reads, by operation, before the file's."""


class Table(Strict):
    """
    One file of cases.
    """

    agent: Text | None = None
    """The agent of its cases."""
    api: Text | None = None
    """Their API account."""
    opened: bool = False
    """Whether its calls are made under a task that was opened for them."""
    at: Moment = datetime(2026, 1, 5, 12, tzinfo=UTC)
    """When they are judged: a Monday noon, where nobody says otherwise, so that a test says the same on every day."""
    answers: Frozen[Any] = Field(default_factory=dict, validate_default=True)
    """What the API would answer to reads, by operation: `{charges.retrieve: {id: ch_1, currency: usd}}`."""
    cases: tuple[Case, ...]
    """The cases."""


@dataclass(frozen=True, slots=True)
class Written:
    """
    A case with what its file says for it, and the place where it stands.
    """

    case: Case
    table: Table
    spot: Spot

    @property
    def agent(self) -> str:
        """
        Return who calls.
        """
        return self.case.agent or self.table.agent or ""

    @property
    def api(self) -> str:
        """
        Return which API is called.
        """
        return self.case.api or self.table.api or ""

    @property
    def at(self) -> datetime:
        """
        Return when it is judged.
        """
        return self.case.at or self.table.at

    @property
    def opened(self) -> bool:
        """
        Tell whether it is made under an opened task: a token always is.
        """
        said = self.table.opened if self.case.opened is None else self.case.opened
        return said or bool(self.case.token)

    @property
    def answers(self) -> Mapping[str, Any]:
        """
        Return what the API would answer, by operation.
        """
        return {**self.table.answers, **self.case.answers}


def read_cases(folder: Path) -> list[Written]:
    """
    Return every case of every YAML file in a folder and below, or in one file, in order.

    Raise `ConfigurationFault` with everything that is wrong in them.
    """
    files = [folder] if folder.is_file() else sorted(file for file in folder.rglob("*.y*ml") if file.is_file())
    if not files:
        hint = "write cases into YAML files there: `cases: [{case: …, call: …, expect: …}]`"
        raise ConfigurationFault([Fault(str(folder), 0, 0, "there is no table of cases here", hint)])
    cases: list[Written] = []
    faults: list[Fault] = []
    for file in files:
        found, wrong = _read(file)
        cases += found
        faults += wrong
    if faults:
        raise ConfigurationFault(faults)
    return cases


def _read(file: Path) -> tuple[list[Written], list[Fault]]:
    try:
        source = read_source(str(file), file.read_bytes())
    except OSError as error:
        return [], [Fault(str(file), 0, 0, f"cannot be read: {error.strerror}", "see its permissions")]
    if not source.whole or source.faults:
        return [], source.faults
    places = Places(source)
    table, faults = shaped(Table, source.value, (), places)
    if table is None or faults:
        return [], faults
    written = [Written(case, table, places.value(("cases", at))) for at, case in enumerate(table.cases)]
    missing = [
        one.spot.fault(f"this case names no {what}", f"add `{what}: NAME` to it, or to its file")
        for one in written
        for what in ("agent", "api")
        if not getattr(one, what)
    ]
    return written, missing
