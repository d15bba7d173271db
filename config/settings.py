"""
The process and its API accounts: doors, state, store, ledger, time-outs, bounds.

Every default stands here once, and in `example.yaml` with its reason, where a test compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic import WithJsonSchema as Schema

from config.alerts import Alerts
from config.breakers import STANDARD, WrittenBreakers
from config.caps import PeriodCaps, Zone
from config.conditions import ConditionSettings
from config.faults import Unreadable
from config.keys import KeySettings
from config.place import STATE
from config.prices import Price
from config.reviews import Reviews
from config.stopping import KillSettings
from config.store import PasswordSource, read_deployment, read_store
from config.store_tls import StoreTls
from config.suggestions import SuggestionSettings
from config.tasks import TaskSettings
from config.written import (
    NAME,
    Address,
    At,
    Frozen,
    HostName,
    Seconds,
    Size,
    Strict,
    Text,
    Upstream,
    WebOrigin,
    Whole,
)  # fmt: skip

KIB, MIB = 2**10, 2**20

# A write that is running when shutdown begins gets its whole time-out, and this long to be recorded.
DRAIN_MARGIN_S = 5.0

# The key under which an upstream stands that was written once, for every base.
EVERY_BASE = "*"

# What one log is called where nobody named it: a reserved name, so that it can never be taken for somebody's.
UNNAMED_LOG = "breakwater.invalid/local/0"

# Where a credential may be; exactly one of them is written.
CREDENTIAL_PLACES = ("env", "file", "vault")

_ENV = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_LOG = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")


class Timeouts(Strict):
    """
    How long anything may take. Durations are written `250ms`, `5s`, `15m`.
    """

    later: ClassVar[frozenset[str]] = frozenset({"drain"})

    connect_s: Seconds = Field(default=5.0, alias="connect")
    """Until an upstream's socket stands, TLS included."""
    first_byte_s: Seconds = Field(default=30.0, alias="first_byte")
    """From the request's last byte to the answer's first."""
    idle_s: Seconds = Field(default=30.0, alias="idle")
    """Between two pieces of an upstream's answer."""
    write_total_s: Seconds = Field(default=60.0, alias="write_total")
    """For a whole write; when it passes, what happened is unknown."""
    read_total_s: Seconds = Field(default=900.0, alias="read_total")
    """For a whole read, which may stream."""
    request_body_s: Seconds = Field(default=30.0, alias="request_body")
    """Until an agent's request body has come."""
    look_s: Seconds = Field(default=2.0, alias="look")
    """For a read that a limit needs before it can judge a write, and for one that shows what a write changes."""
    caller_deadline_s: Seconds = Field(default=12.0, alias="caller_deadline")
    """How long a caller waits for a write, where `Breakwater-Deadline-Ms` does not say; the write itself runs on."""

    @property
    def drain_s(self) -> float:
        """
        Return how long a stop waits for writes: the longest of them, and the time to record it.
        """
        return self.write_total_s + DRAIN_MARGIN_S


class Limits(Strict):
    """
    Bounds on what is held in memory at once.
    """

    body_bytes_max: Annotated[Size, Field(ge=KIB, le=32 * MIB)] = MIB
    """The largest request body, unless an operation's catalogue allows more."""
    answer_bytes_max: Annotated[Size, Field(ge=64 * KIB, le=8 * MIB)] = MIB
    """The largest answer to a write that is kept; a larger one is passed on and recorded by commitment and length."""
    rewrite_max_bytes: Annotated[Size, Field(ge=64 * KIB, le=32 * MIB)] = 8 * MIB
    """The largest JSON answer to a read: it is read whole, so that its URLs lead to doors; a larger one is refused."""
    connections: Annotated[Whole, Field(ge=1, le=65_536)] = 2048
    """Open connections of agents, over all doors; the next one is refused."""


class Segment(Strict):
    """
    When a ledger segment is sealed and the next one begun, whichever comes first.
    """

    max_bytes: Annotated[Size, Field(ge=MIB, le=1024 * MIB)] = 64 * MIB
    """Its size."""
    max_age_s: Annotated[Whole, Field(ge=1, le=86_400)] = 3600
    """Its age in seconds."""


class OnUnavailable(Strict):
    """
    What happens while the ledger cannot be written. Writes are always refused.
    """

    reads: Literal["refuse", "serve_unlogged"] = "refuse"
    """`serve_unlogged` keeps reads available at the price of a gap in the record."""


class Disk(Strict):
    """
    When the disk counts as full.
    """

    min_free_bytes: Annotated[Size, Field(ge=0)] = 512 * MIB
    """Below so many free bytes the ledger takes no more writes."""
    min_free_pct: Annotated[Whole, Field(ge=0, le=99)] = 5
    """Below this part of the disk, in percent, likewise."""
    reserve_bytes: Annotated[Size, Field(ge=0)] = 64 * MIB
    """Set aside at start, so that a full disk can still be recorded."""


def _log_name(written: str) -> str:
    if written and (not _LOG.fullmatch(written) or len(written) > 200):
        raise Unreadable(
            "an origin has three parts of letters, digits, `.`, `_` and `-`", "write `example.com/payments/replica-1`"
        )
    return written


class LedgerSettings(Strict):
    """
    The ledger: its name, its batches, its segments, and what happens without it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"linger_ms", "entry_max_bytes", "signing", "anchors"})

    origin: Annotated[str, Field(strict=True), AfterValidator(_log_name)] = ""
    """The log's name, `DOMAIN/DEPLOYMENT/REPLICA`; empty on a developer's machine only."""
    reads: Literal["appended", "durable"] = "appended"
    """Whether a read waits until its entry is on disk (`durable`) or not (`appended`). Writes always wait."""
    batch_max_entries: Annotated[Whole, Field(ge=1, le=4096)] = 512
    """Entries that one sync makes durable."""
    batch_max_bytes: Annotated[Size, Field(ge=64 * KIB, le=64 * MIB)] = 4 * MIB
    """Bytes that one sync makes durable."""
    max_pending: Annotated[Whole, Field(ge=1, le=65_536)] = 4096
    """Entries that may wait for the disk; beyond it reads are shed first, writes last."""
    segment: Segment = Segment()
    """When a segment is sealed."""
    on_unavailable: OnUnavailable = OnUnavailable()
    """What happens while it cannot be written."""
    disk: Disk = Disk()
    """How much of the disk stays free."""

    @property
    def log_name(self) -> str:
        """
        Return the log's name without its epoch.
        """
        return self.origin or UNNAMED_LOG


DAY_S = 86_400.0

# An agent's own retries last minutes; a person who repeats what failed on Friday comes back on Monday.
ANSWERS_KEPT_MIN_S = 3 * DAY_S


def _not_below(seconds: float) -> float:
    if seconds < ANSWERS_KEPT_MIN_S:
        raise Unreadable("answers are kept for three days at least", "write `3d` or more")
    return seconds


class Idempotency(Strict):
    """
    How long what came before is remembered, so that nothing happens twice.
    """

    answers_s: Annotated[Seconds, AfterValidator(_not_below)] = Field(default=7 * DAY_S, alias="answers")
    """For how long a repeat is given the answer of the first."""
    outcomes_s: Seconds = Field(default=90 * DAY_S, alias="outcomes")
    """For how long after that it is known that a key was used, and how that ended."""
    duplicates_s: Seconds = Field(default=60.0, alias="duplicates")
    """Within what time a second equal write without a key is suspected of being a duplicate."""


class Settings(Strict):
    """
    What the process needs to know beside its APIs and agents.
    """

    later: ClassVar[frozenset[str]] = frozenset({
        "capture", "tokens", "approvals", "tracing", "tls", "replicas",
    })  # fmt: skip

    state: Path = Path(STATE)
    """The state folder: ledger, keys, tokens. Relative to this file."""
    doors: Frozen[At] = Field(default_factory=dict, validate_default=True)
    """Where each API listens: `NAME` for its first base, `NAME.BASE` for another; without one, a free loopback port."""
    shared: At | None = None
    """One more door on which every API answers, by `Host` or under the path prefix `/NAME` or `/NAME.BASE`."""
    hosts: Annotated[Mapping[HostName, Text], AfterValidator(MappingProxyType)] = Field(
        default_factory=dict, validate_default=True
    )
    """Further hosts on the shared door: `{HOST: NAME}` or `{HOST: NAME.BASE}`; `NAME.localhost` needs no line."""
    admin: At = Address("127.0.0.1", 8470)
    """The operators' door: liveness, readiness, metrics, and commands under a token."""
    store: Annotated[str, BeforeValidator(read_store)] = "memory"
    """Where it is held which writes were made and which are open: `memory`, or the URL of a Redis."""
    store_password: PasswordSource | None = None
    """Where the password of that Redis is."""
    sentinel_password: PasswordSource | None = None
    """Where the password of its Sentinels is, which have one of their own."""
    store_tls: StoreTls | None = None
    """With which files TLS to that Redis is made, where its CA or ours is nobody's that the machine knows."""
    workers: Annotated[int, Field(strict=True, ge=1, le=64)] | None = None
    """How many processes serve the doors, under a parent that replaces them; unset: one process without a parent."""
    deployment: Annotated[str, BeforeValidator(read_deployment)] = "breakwater"
    """The name that every process of one deployment shares; two deployments in one Redis need two."""
    idempotency: Idempotency = Idempotency()
    """What is remembered of writes, and for how long."""
    ledger: LedgerSettings = LedgerSettings()
    """The record of every call."""
    reviews: Reviews = Field(default_factory=Reviews)
    """What is asked of each write that somebody looks at afterwards."""
    alerts: Alerts = Alerts()
    """Whom to tell."""
    conditions: ConditionSettings = ConditionSettings()
    """How long what conditions look up is used again."""
    tasks: TaskSettings = TaskSettings()
    """How long tasks and their tokens live."""
    keys: KeySettings = KeySettings()
    """For how long keys are good where no other process is heard of."""
    kill: KillSettings = KillSettings()
    """What it takes to lift a stop, and what begins one beside people."""
    suggestions: SuggestionSettings = SuggestionSettings()
    """How many parked writes wait for a person, and for how long."""
    timeouts: Timeouts = Timeouts()
    """How long anything may take."""
    limits: Limits = Limits()
    """How much may be held at once."""


class CredentialSource(Strict):
    """
    Where an API account's real credential is: `env` and `file` are read once, at start; `vault` turns while it runs.
    """

    later: ClassVar[frozenset[str]] = frozenset({"oauth", "app"})
    # What `_is_one_place` asks, for whoever checks against the schema alone.
    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [place], "properties": {place: {"type": "string"}}} for place in CREDENTIAL_PLACES]
        }
    )

    env: str | None = None
    """The name of an environment variable."""
    file: Path | None = None
    """A file that holds nothing else. Relative to this file."""
    vault: str | None = None
    """The name under which `breakwater vault put` sealed it in the state folder."""
    user: Text | None = None
    """The other half, where the API takes a name and a token in Basic: Jira's e-mail address."""

    @model_validator(mode="before")
    @classmethod
    def _is_no_secret(cls, written: object) -> object:
        """
        Refuse a credential that stands in the file, without repeating it.
        """
        if not isinstance(written, Mapping | CredentialSource):
            hint = "name where it is: `{env: NAME}`, `{file: PATH}` or `{vault: NAME}`"
            raise Unreadable("a credential is never written here", hint)
        name = written.get("env") if isinstance(written, Mapping) else None
        if name is not None and not (isinstance(name, str) and _ENV.fullmatch(name)):
            raise Unreadable("`env` is the name of an environment variable", "write `{env: STRIPE_SECRET_KEY}`")
        sealed = written.get("vault") if isinstance(written, Mapping) else None
        if sealed is not None and not (isinstance(sealed, str) and NAME.fullmatch(sealed)):
            raise Unreadable("`vault` is the name of a sealed credential", "write `{vault: stripe}`")
        return written

    @model_validator(mode="after")
    def _is_one_place(self) -> CredentialSource:
        """
        Refuse two places, and none.
        """
        if sum(getattr(self, place) is not None for place in CREDENTIAL_PLACES) != 1:
            hint = "write either `{env: NAME}` or `{file: PATH}` or `{vault: NAME}`"
            raise Unreadable("a credential has exactly one place", hint)
        return self


_ORIGINS = {"type": "array", "items": {"type": "string", "examples": ["https://github.example.com"]}}


def _by_base(written: object) -> object:
    if isinstance(written, Mapping):
        return written
    return {} if written is None else {EVERY_BASE: written}


class ApiAccount(Strict):
    """
    One account at one API: which catalogue it follows, where it answers, what opens it.
    """

    later: ClassVar[frozenset[str]] = frozenset({"throttle", "concurrency", "dialect", "webhooks"})

    catalog: Text
    """A bundled catalogue (`stripe`, `github`, `jira`) or a file that `breakwater catalog import` wrote."""
    upstream: Annotated[
        Frozen[Upstream],
        BeforeValidator(_by_base),
        Schema({"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": "string"}}]}),
    ] = Field(default_factory=dict, validate_default=True)
    """Where it answers, if not where its catalogue says: one origin for every base, or `{BASE: ORIGIN}`."""
    aliases: Annotated[
        Frozen[tuple[WebOrigin, ...]],
        BeforeValidator(_by_base),
        Schema({"anyOf": [_ORIGINS, {"type": "object", "additionalProperties": _ORIGINS}]}),
    ] = Field(default_factory=dict, validate_default=True)
    """Further origins that its answers name: a list for every base, or `{BASE: [ORIGIN]}`; they are never dialled."""
    credential: CredentialSource
    """Where its real credential is read from."""
    tz: Zone = "UTC"
    """The IANA time zone in which the hours, days and months of its caps begin."""
    caps: PeriodCaps = PeriodCaps()
    """How much all agents together may take of this account: each hour, day and month."""
    prices: Frozen[Price] = Field(default_factory=dict, validate_default=True)
    """What its calls cost: `{OPERATION-OR-GLOB: PRICE}`. The exact name counts before a glob, a longer glob first."""
    breaker: WrittenBreakers = Field(default_factory=lambda: STANDARD)
    """When writes to it are parked because it fails; `false` where they never are."""

    def origins(self, defaults: Mapping[str, str | None]) -> Mapping[str, str]:
        """
        Return the origin of each base: written for it, written for every base, else the catalogue's own.

        A base that none of them knows is left out.
        """
        every = self.upstream.get(EVERY_BASE)
        found = {base: self.upstream.get(base) or every or default for base, default in defaults.items()}
        return {base: str(origin) for base, origin in found.items() if origin is not None}
