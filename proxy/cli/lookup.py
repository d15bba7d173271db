"""Looking something up in the record, for the commands that do: where, since when, and how calls are printed."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.faults import Unreadable
from config.written import read_duration
from proxy.cli.say import data, shown, warning
from proxy.clock import SystemClock
from proxy.ledger.disk import RealDisk
from proxy.ledger.drafts import stamp
from proxy.ledger.index import Index, open_index
from proxy.ledger.layout import worker_folder, workers_with_records
from proxy.ledger.read import Payloads, ledger_in
from proxy.ledger.timeline import Told, block, told_as_json


@dataclass(frozen=True, slots=True)
class Lookup:
    """
    A state folder's record, to look something up in it.
    """

    index: Index
    payloads: Payloads


@contextlib.contextmanager
def looking_into(state: Path) -> Iterator[Lookup]:
    """
    Open a state folder's record, and close it; say where the records of further workers are.
    """
    disk = RealDisk()
    say_others(state)
    with contextlib.ExitStack() as opened:
        index = opened.enter_context(contextlib.closing(open_index(disk, state, ledger_in(disk, state))))
        payloads = opened.enter_context(contextlib.closing(Payloads(disk, state)))
        yield Lookup(index, payloads)


def others_of(state: Path) -> dict[int, Path]:
    """
    Return the folders of further workers that have records of their own.
    """
    return {number: worker_folder(state, number) for number in workers_with_records(state, RealDisk())}


def say_others(state: Path) -> None:
    """
    Say that this is the record of the first of several workers.
    """
    if others := others_of(state):
        hint = f"`--dir {next(iter(others.values()))}`, where a command takes it, reads another one"
        those = ", ".join(map(str, others))
        warning(f"this is the record of the first worker; others have records of their own: {those}", hint)


def moment(text: str) -> str:
    """
    Read a moment as entries spell it: a time, a day (its beginning), or how long ago.

    Raise `ArgumentTypeError` for what is none.
    """
    with contextlib.suppress(Unreadable):
        return stamp(SystemClock().now() - timedelta(seconds=read_duration(text)))
    try:
        at = datetime.fromisoformat(text)
        # A time without a zone is one of the record's, which are all UTC.
        return stamp(at if at.tzinfo is not None else at.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        example = "`2026-11-21T12:00:00Z`, `2026-11-21`, `2h` or `3d`"
        raise argparse.ArgumentTypeError(f"'{text}' is no moment: write {example}") from None


def print_calls(
    header: str, told: Sequence[Told], payloads: Payloads, *, as_data: bool, whose: bool = False, full: bool = False
) -> None:
    """
    Print calls one after the other under a header, or all of them as JSON.
    """
    if as_data:
        data([told_as_json(one, payloads, full=full) for one in told])
        return
    print(shown(header))
    for one in told:
        print()
        for line in block(one, payloads, whose=whose, full=full):
            print(shown(line))
