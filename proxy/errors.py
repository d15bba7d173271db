"""
The exceptions of the road, by what whoever catches them can do.

A refusal at the edge travels as `Refused` until one function turns it into HTTP; everything else here ends a start or a
command with one clear sentence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a command that only asks loads nothing of the road
    from breakers.call import Fault
    from breakers.verdict import Reason


class Refused(Exception):
    """
    The request cannot become a call: `reason` for machines, `detail` for people (never quoting raw input at length).
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class StartRefused(Exception):
    """
    The process cannot start, or a command cannot run: what is wrong, and what to do about it.
    """

    def __init__(self, error: str, hint: str = "") -> None:
        super().__init__(error)
        self.error = error
        self.hint = hint


class LedgerDamaged(StartRefused):
    """
    The ledger does not verify: `finding` is `torn-tail`, `tampered` or `rolled-back`.
    """

    def __init__(self, finding: str, error: str, hint: str = "") -> None:
        super().__init__(error, hint)
        self.finding = finding


class LedgerUnavailable(Exception):
    """
    An entry could not be made durable; nothing that needs it may go on.
    """


class OutcomeUnrecorded(LedgerUnavailable):
    """
    A write may have been sent, and its outcome could not be made durable: nobody may be told how it ended.
    """


class Broken(Exception):
    """
    An exchange with an upstream did not end in a whole answer.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(str(fault))
        self.fault = fault


class AddressRefused(OSError):
    """
    An upstream's name led to an address that must not be dialled.
    """


class Drift(Exception):
    """
    An object is not as a patch needs it at `path`; nothing was made of it.
    """

    def __init__(self, path: str) -> None:
        super().__init__(f"it is not as expected at {path or 'its root'}")
        self.path = path
