"""
The course of one doubt: when it is looked at, what each look proves, and when that is enough.

Pure: the moment is an argument, and nothing here asks anyone. A look is one asking of the upstream, and says what it
found; the course says what follows. The rules, each in its place below:

* What was found counts from the first look. What was not found counts only after `quiet`: until then the write may
  still be on its way, or done and not shown yet.
* Nothing found is proof only as often, and so far apart, as the catalogue says; where later things must be visible
  beside it, only a look that shows them counts. A look that failed, or was not complete, proves nothing.
* Something that may be it and is not what was sent is as little proof of absence as it is of presence.
* Whatever says "it did not happen" of money, or of what nothing can undo, is put before a person, and so is what a
  day of looking did not settle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

PAUSES_S = (1, 4, 10, 15, 30, 240, 600, 2700)
"""
Before each look, in seconds: 1, 5, 15, 30 s, 1, 5, 15 min and 1 h after the doubt began. What is visible at all mostly
is within seconds, and an upstream that is down for an hour must not be asked all the time.
"""

LAST_PAUSE_S = 3600

LATE_SENDER_S = 2.0
"""After its permit a write's first byte leaves within this long, or never."""

PATIENCE = timedelta(hours=24)
"""A person looks at what is older, and was looked at as often as the schedule says since the process began."""

RESENDS_ANSWERED_MAX = 4
"""Re-sends that are answered and settle nothing: a vendor that fails for longer is read from, not written to."""


class Found(StrEnum):
    """
    What one look proves.

    `ONE` and `MANY` are certainly what the write made. `LIKE` are several that could be, `UNLIKE` one or more that
    might be and are not what was sent. `FAILED` is nothing learned.
    """

    ONE = "one"
    MANY = "many"
    LIKE = "like"
    UNLIKE = "unlike"
    NONE = "none"
    FAILED = "failed"


class Why(StrEnum):
    """
    Why a doubt ended, or waits for a person.
    """

    RESENT = "resent"
    FOUND = "found"
    DUPLICATE = "duplicate"
    ABSENT = "absent"
    AMBIGUOUS = "ambiguous"
    INCONCLUSIVE = "inconclusive"
    UNFINDABLE = "unfindable"
    OPERATOR = "operator"


class End(StrEnum):
    """
    What is said of the write from here on.
    """

    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    PARKED = "parked"


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What follows from the looks: how the doubt ends, and why.
    """

    end: End
    why: Why


@dataclass(frozen=True, slots=True)
class Terms:
    """
    What one write's absence takes.

    `total_s` is how long a write may take here, `lag_s` within how many seconds the API's reads show what was written.
    With `needs_later` a look counts only where it shows something made later. `grave` is what moves money or cannot be
    undone.
    """

    total_s: float
    lag_s: float
    reads: int = 2
    apart_s: float = 15.0
    needs_later: bool = False
    grave: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What one look found, that began `at`; `count` is of how many things, `later` whether it shows something made later.
    """

    found: Found
    at: datetime
    count: int = 0
    later: bool = False


@dataclass(frozen=True, slots=True)
class Course:
    """
    How far looking has come: `asked_at` is when the call came, `since` when looking began, `sent_at` when the write
    last may have begun to leave, `answered` how many re-sends were answered and settled nothing.

    `clean` are the moments of the looks that count against it; `unlike` tells whether any of them saw what might be it.
    """

    asked_at: datetime
    since: datetime
    sent_at: datetime
    answered: int = 0
    looks: int = 0
    last_at: datetime | None = None
    clean: tuple[datetime, ...] = ()
    unlike: bool = False

    def over_at(self, terms: Terms) -> datetime:
        """
        Return the moment after which the write is not on its way any more, if it ever was.
        """
        return self.sent_at + timedelta(seconds=terms.total_s + LATE_SENDER_S)

    def quiet_at(self, terms: Terms) -> datetime:
        """
        Return the moment from which what is not shown may be taken for not there.
        """
        return self.over_at(terms) + timedelta(seconds=terms.lag_s)

    def next_at(self, terms: Terms) -> datetime:
        """
        Return when to look next: by the schedule, or sooner, as soon as another look can count.
        """
        last = self.last_at or self.since
        pause_s = PAUSES_S[self.looks] if self.looks < len(PAUSES_S) else LAST_PAUSE_S
        scheduled, quiet = last + timedelta(seconds=pause_s), self.quiet_at(terms)
        if self.clean:
            quiet = max(quiet, self.clean[-1] + timedelta(seconds=terms.apart_s))
        # A look that counts and taught nothing is followed by the schedule, not by another at once.
        return min(scheduled, quiet) if quiet > last else scheduled

    def resent(self, at: datetime, *, answered: bool, replayed: bool = False) -> Course:
        """
        Return the course once the write was sent again: whatever was absent before proves nothing now.

        A failure that the vendor gives again under the key stays what it is for ever, and only reading tells then.
        """
        count = RESENDS_ANSWERED_MAX if replayed else self.answered + answered
        return replace(self, sent_at=at, answered=count, clean=(), unlike=False)


def fold(course: Course, evidence: Evidence, terms: Terms) -> tuple[Course, Verdict | None]:
    """
    Take what a look found into the course; return with it what follows, or None while it stays a doubt.
    """
    course = replace(course, looks=course.looks + 1, last_at=evidence.at)
    match evidence.found:
        case Found.ONE:
            return course, Verdict(End.APPLIED, Why.FOUND)
        case Found.MANY:
            return course, Verdict(End.APPLIED, Why.DUPLICATE)
        case Found.LIKE:
            return course, Verdict(End.PARKED, Why.AMBIGUOUS)
        case Found.UNLIKE | Found.NONE if _counts(course, evidence, terms):
            unlike = course.unlike or evidence.found is Found.UNLIKE
            course = replace(course, clean=(*course.clean, evidence.at), unlike=unlike)
    if len(course.clean) >= terms.reads:
        return course, _absent(course, terms)
    if evidence.at >= course.asked_at + PATIENCE and course.looks >= len(PAUSES_S):
        return course, Verdict(End.PARKED, Why.INCONCLUSIVE)
    return course, None


def _counts(course: Course, evidence: Evidence, terms: Terms) -> bool:
    if evidence.at < course.quiet_at(terms):
        return False
    if terms.needs_later and evidence.found is Found.NONE and not evidence.later:
        return False
    return not course.clean or evidence.at >= course.clean[-1] + timedelta(seconds=terms.apart_s)


def _absent(course: Course, terms: Terms) -> Verdict:
    if course.unlike:
        return Verdict(End.PARKED, Why.AMBIGUOUS)
    return Verdict(End.PARKED if terms.grave else End.NOT_APPLIED, Why.ABSENT)
