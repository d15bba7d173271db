"""The frozen snapshot that one decision may look at: when it was read, its generation, the answers to looks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType

from breakers.breaker import Breaker
from breakers.known import NOTHING_KNOWN, Known
from breakers.noun import noun
from breakers.stops import RUNNING, Stops
from breakers.suggestion import Suggested
from config.catalog import Subject, Touch


@dataclass(frozen=True, slots=True)
class Looked:
    """
    What one subject read said: the currency and the bound in minor units, or that it failed (`failed`, why).
    """

    currency: str | None = None
    bound_minor: int | None = None
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """
    An object before a write touches it: `data` is its JSON text, without what is never stored; None is no such object.

    `missing` says why it could not be seen; then nothing is known. `left_out` counts members that are never stored.
    """

    data: bytes | None = None
    at: datetime | None = None
    missing: str | None = None
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Fetch:
    """
    A read that a card's condition looks at: an operation of the same API, its arguments by (name, value), and the name
    under which the condition finds it.
    """

    name: str
    operation: str
    arguments: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Fetched:
    """
    What such a read showed: `data` is its JSON value, `at` when it was read, `call` under which call that is on record.

    `failed` says in words why it showed nothing that can be relied on.
    """

    data: object = None
    at: datetime | None = None
    call: str = ""
    failed: str | None = None


@dataclass(frozen=True, slots=True)
class Noticed:
    """
    What the loop guard sees in a call before it is judged: which rule, how often, and whether that only warns.

    `detail` says what was noticed and what would change the answer. With `parks` it is not refused for good: a person
    may let it pass.
    """

    rule: str
    count: int
    refuses: bool
    detail: str
    parks: bool = False


@dataclass(frozen=True, slots=True)
class Throttled:
    """
    Until when an upstream does not want to be asked, and what it said of that.
    """

    until: datetime
    why: str


NO_BREAKERS: Mapping[str, Breaker] = MappingProxyType({})
NO_LOOKS: Mapping[Subject, Looked] = MappingProxyType({})
NO_IMAGES: Mapping[Touch, Image] = MappingProxyType({})
NOTHING_FETCHED: Mapping[Fetch, Fetched] = MappingProxyType({})


@noun
class Facts:
    """
    All that a decision may know beside the call and the policy; `known` is what came before a write.

    `breakers` are those of the call's keys that have a record, `suggested` the newest suggestion for this very write of
    this agent or for its key, `drifting` says in words how its calls differ from what they were. With `marks` it
    is what this process has seen, and nobody was asked: a store compares them when something is taken.
    """

    at: datetime
    generation: int
    looks: Mapping[Subject, Looked] = field(default_factory=lambda: NO_LOOKS)
    images: Mapping[Touch, Image] = field(default_factory=lambda: NO_IMAGES)
    known: Known = NOTHING_KNOWN
    fetched: Mapping[Fetch, Fetched] = field(default_factory=lambda: NOTHING_FETCHED)
    noticed: Noticed | None = None
    stops: Stops = RUNNING
    breakers: Mapping[str, Breaker] = field(default_factory=lambda: NO_BREAKERS)
    throttled: Throttled | None = None
    suggested: Suggested | None = None
    drifting: str | None = None
    marks: tuple[str, ...] | None = field(default=None, compare=False)

    def with_looks(
        self,
        looks: Mapping[Subject, Looked],
        images: Mapping[Touch, Image] = NO_IMAGES,
        fetched: Mapping[Fetch, Fetched] = NOTHING_FETCHED,
    ) -> Facts:
        """
        Return these facts with the answers to the reads that a decision asked for.
        """
        return replace(
            self,
            looks={**self.looks, **looks},
            images={**self.images, **images},
            fetched={**self.fetched, **fetched},
        )
