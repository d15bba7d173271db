"""Play every scene: `python -m loadtest.demo` exits 0 only if each came out as expected."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import NoReturn

import stripe
from github import GithubException
from jira import JIRAError

from loadtest.demo.brakes import errors_trip_the_breaker, the_kill_switch_stops_writes, the_suggestion_is_approved
from loadtest.demo.doubt import a_lost_answer_is_found
from loadtest.demo.envelopes import a_narrowed_token_may_do_less, the_cap_refuses
from loadtest.demo.issues import an_issue_is_edited, another_repository_is_refused
from loadtest.demo.record import Shown, UnexpectedError
from loadtest.demo.refunds import (
    a_large_refund_is_refused,
    a_read_passes,
    a_refund_passes,
    an_unlisted_operation_is_refused,
)
from loadtest.demo.repeats import a_retry_is_replayed
from loadtest.demo.stage import Stage, build
from loadtest.demo.tickets import a_ticket_is_worked_on, deleting_a_ticket_is_refused
from loadtest.demo.verification import the_ledger_verifies
from loadtest.installation import NotStartedError

SCENES: tuple[tuple[str, Callable[[Stage], Shown]], ...] = (
    ("a read passes", a_read_passes),
    ("a refund inside its limit passes, and its diff is shown", a_refund_passes),
    ("a refund over the limit is refused", a_large_refund_is_refused),
    ("the task's cap refuses the next one", the_cap_refuses),
    ("a narrowed token cannot do what the one it was made of can", a_narrowed_token_may_do_less),
    ("an operation off the allowlist is refused", an_unlisted_operation_is_refused),
    ("an SDK that lost an answer sends again: it is replayed, not repeated", a_retry_is_replayed),
    ("an answer lost after the refund was made is found and settled", a_lost_answer_is_found),
    ("an issue is edited through PyGithub, at the URL that GitHub names", an_issue_is_edited),
    ("an issue in another repository is refused", another_repository_is_refused),
    ("a ticket is worked on through jira, at the URL that Jira names", a_ticket_is_worked_on),
    ("deleting a ticket is refused", deleting_a_ticket_is_refused),
    ("upstream errors trip the breaker: the next write becomes a suggestion, reads pass", errors_trip_the_breaker),
    ("the suggestion is approved and executed once", the_suggestion_is_approved),
    ("the kill switch stops writes; lifting it lets them pass again", the_kill_switch_stops_writes),
    ("the ledger verifies; one flipped byte does not", the_ledger_verifies),
)

# What a scene may end in: its promise broken, a start that failed, an SDK's own error, a connection. PyGithub asserts
# that it is only ever sent to the address that it was given.
_FAILURES = (
    UnexpectedError,
    NotStartedError,
    stripe.StripeError,
    GithubException,
    JIRAError,
    OSError,
    AssertionError,
)


def main() -> int:
    """
    Play every scene in order; return 0 only if each came out as expected.
    """
    signal.signal(signal.SIGTERM, _stop)
    stripe.enable_telemetry = False
    try:
        with build() as stage:
            for number, (title, scene) in enumerate(SCENES, 1):
                shown = scene(stage)
                lines = (f"{number}  {title} · {shown.call or 'no call'}", shown.sentence, *shown.diff)
                print("\n   ".join(lines), flush=True)
    except _FAILURES as error:
        print(f"error: {type(error).__name__}: {_said(error)}", file=sys.stderr)
        return 1
    print(f"all {len(SCENES)} scenes came out as expected")
    return 0


def _stop(*_: object) -> NoReturn:
    # An ordinary exit, so that everything that was started is stopped on the way out.
    sys.exit(1)


def _said(error: BaseException) -> str:
    # As text, a JIRAError shows the headers that it sent, and the agent's key is in one.
    return (error.text or "") if isinstance(error, JIRAError) else str(error)


if __name__ == "__main__":
    sys.exit(main())
