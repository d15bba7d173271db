"""`breakwater reviews`: the writes that were drawn for somebody to look at, what they did, and what he or she says."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from config.load import load
from proxy.cli.client import find_running
from proxy.cli.heard import is_shared, looked, say_alone, whose
from proxy.cli.lookup import looking_into
from proxy.cli.say import data, shown, table
from proxy.cli.usage import add_noun
from proxy.control.reviews import row
from proxy.errors import StartRefused
from proxy.ledger.index import Wanted
from proxy.ledger.reviewed import SCORES, Review, reviews
from proxy.ledger.timeline import block, calls, told_as_json

EPILOG = """\
examples:
  breakwater reviews list
  breakwater reviews list --agent support_refund_agent --all
  breakwater reviews show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater reviews mark 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --ok
  breakwater reviews mark 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --wrong --rubric target=1

Which part of an agent's writes is drawn stands on its card (`review: 2%`). What
you say counts in `breakwater rollout`. To mark one takes the role `approver`.
"""

READ_S = 30.0
"""What is reviewed stands in records, and is read there."""

HEADERS = ("call", "made", "agent", "operation", "state", "by")


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list", help="print the writes that wait to be looked at", epilog="example: breakwater reviews list --all"
    )
    listing.add_argument("--agent", metavar="NAME", help="only this agent's")
    listing.add_argument("--all", action="store_true", help="those that were marked, too")
    listing.set_defaults(run=list_reviews)
    showing = verbs.add_parser(
        "show",
        help="print all that was sent, shown and changed, and what is asked of it",
        epilog="example: breakwater reviews show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB",
    )
    showing.set_defaults(run=show)
    marking = verbs.add_parser(
        "mark",
        help="say whether it was right; your word is final and on record",
        epilog="example: breakwater reviews mark 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --wrong --rubric target=1",
        # An example that is broken into lines is none.
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for verb in (showing, marking):
        verb.add_argument("call", metavar="CALL", help="the id of the call")
    word = marking.add_mutually_exclusive_group(required=True)
    word.add_argument("--ok", action="store_true", help="it was right to make it as it was made")
    word.add_argument("--wrong", action="store_true", help="it was not")
    marking.add_argument(
        "--rubric", action="append", default=[], type=answer, metavar="NAME=1..5", help="an answer to the rubric"
    )
    marking.add_argument("--note", default="", metavar="TEXT", help="what you saw; it is sealed")
    marking.set_defaults(run=mark)


def answer(text: str) -> tuple[str, int]:
    """
    Read an answer to the rubric; raise `ArgumentTypeError` for what is none.
    """
    name, _, score = text.partition("=")
    if not name or not score.isascii() or not score.isdigit() or int(score) not in SCORES:
        raise argparse.ArgumentTypeError(f"'{text}' is no answer: write `target=4`, of 1 (not at all) to 5 (entirely)")
    return name, int(score)


def list_reviews(args: argparse.Namespace) -> int:
    """
    Print what waits to be looked at, the oldest first.
    """
    found = _listed(load(args.config).settings.state, args)
    if args.json:
        data(found)
    else:
        rows = [
            (one["call"], one["at"], one["agent"], f"{one['api']} {one['operation']}", one["state"], one["by"] or "")
            for one in found
        ]
        table(*whose(HEADERS, rows, found))
    return 0


def _listed(state: Path, args: argparse.Namespace) -> list[dict[str, Any]]:
    """
    Return what all processes have on record, or this record, where nobody shares the store or nothing runs.
    """
    if is_shared(args.config):
        running = find_running(state)
        if running is not None:
            asked = {"all": "1"} if args.all else {}
            query = urlencode(asked | ({"agent": args.agent} if args.agent else {}))
            found: list[dict[str, Any]] = looked(running, f"/v1/reviews?{query}", within_s=READ_S)
            return found
        say_alone(args.config)
    with looking_into(state) as record:
        return [row(one) for one in reviews(record.index, args.agent) if args.all or one.ok is None]


def show(args: argparse.Namespace) -> int:
    """
    Print a write with all that is on record of it, and what is asked.
    """
    configuration = load(args.config)
    rubric = configuration.settings.reviews.rubric
    with looking_into(configuration.settings.state) as record:
        one = _one(reviews(record.index, call=args.call), args.call)
        (told,) = calls(record.index.find(Wanted(call=args.call)))
        if args.json:
            data({**row(one), "rubric": dict(rubric), **told_as_json(told, record.payloads, full=True)})
            return 0
        for line in (*block(told, record.payloads, whose=True, full=True), "", *_asked(one, rubric)):
            print(shown(line))
    return 0


def mark(args: argparse.Namespace) -> int:
    """
    Say whether a write was right.
    """
    running = find_running(load(args.config).settings.state)
    if running is None:
        raise StartRefused("no Breakwater is running on this state folder", "start one: it asks who you are")
    word = {"ok": args.ok, "scores": dict(args.rubric), "note": args.note}
    said = running.insist("POST", f"/v1/reviews/{quote(args.call, safe='')}", word)
    if args.json:
        data(said)
    else:
        print(shown(f"{said['call']} is marked {said['state']}, by {said['by']}"))
    return 0


def _one(found: Sequence[Review], call: str) -> Review:
    if not found:
        hint = "`breakwater reviews list --all` prints them; what stands in another process's record is shown there"
        raise StartRefused(f"no review of the call {call} was asked for in this record", hint)
    return found[0]


def _asked(one: Review, rubric: Mapping[str, str]) -> list[str]:
    if one.ok is None:
        asked = (f"  {name:12} {text}" for name, text in rubric.items())
        return ["asked, from 1 (not at all) to 5 (entirely):", *asked]
    scores = [f"  {name:12} {score}" for name, score in (one.scores or {}).items()]
    return [f"marked {one.state}, by {one.by}, {one.decided_at}", *scores]
