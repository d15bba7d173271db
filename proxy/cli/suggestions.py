"""`breakwater suggestions`: parked writes: list them, read the card of one, approve, edit or reject it."""

from __future__ import annotations

import argparse
from pathlib import Path

from breakers.suggestion import LIVE
from config.place import state_folder
from proxy.cards import Card, card, row
from proxy.cli.card import card_lines, made_words, why_words
from proxy.cli.client import Running, find_running, has_started
from proxy.cli.heard import looked, say_alone, whose
from proxy.cli.lookup import Lookup, looking_into
from proxy.cli.say import data, shown, table
from proxy.cli.usage import add_noun
from proxy.errors import StartRefused
from proxy.ledger.approvals import SHOWING, Showing
from proxy.ledger.blobs import Kept
from proxy.ledger.index import Wanted
from proxy.ledger.parked import KINDS, Parked
from proxy.ledger.read import Record

EPILOG = """\
examples:
  breakwater suggestions list
  breakwater suggestions list --all --json
  breakwater suggestions show 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB
  breakwater suggestions approve 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --digest 3f9ac01d77e0
  breakwater suggestions edit 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --set body.amount=500
  breakwater suggestions reject 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --reason 'not ours'

A suggestion is a write that was parked: nothing was sent, and nothing is taken
for it. An approval is for what `show` printed, which its digest names, and is
good once. Deciding needs your own token: --token FILE, or the variable
BREAKWATER_OPERATOR_TOKEN.
"""

HEADERS = ("suggestion", "state", "agent", "api", "operation", "needs", "expires", "why")

DECIDED_S = 8.0
"""How long an approval waits for what comes of it before it says that it goes on."""

ASKED_S = 15.0
"""How long it may take the process that has one, where another is asked; who is asked says sooner that it is silent."""

ID_HELP = "the id of a suggestion, which is that of the call that was parked"

NEWEST = 1_000
"""Records that are looked at where no process runs: far more than may wait."""


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    listing = verbs.add_parser(
        "list", help="print what waits for a person", epilog="example: breakwater suggestions list --all"
    )
    listing.add_argument("--all", action="store_true", help="with those that ended within a day")
    listing.add_argument("--shadow", action="store_true", help="those that nobody is asked about (tier `shadow`)")
    listing.set_defaults(run=list_suggestions)
    for verb, words, example, run in (
        ("show", "print the card of one: what would be sent, and what it would change", "", show),
        ("approve", "approve exactly what was shown; it is sent once", " --digest 3f9ac01d77e0", approve),
        ("edit", "change what would be sent; it is judged anew and still waits", " --set body.amount=500", edit),
        ("reject", "decide against one; its agent is told so for an hour", " --reason 'not ours'", reject),
    ):
        parser = verbs.add_parser(
            verb,
            help=words,
            epilog=f"example: breakwater suggestions {verb} 01K9ZTQ6Q7T6GZ7E0M3V4R8XWB{example}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument("suggestion", metavar="ID", help=ID_HELP)
        parser.set_defaults(run=run)
        if verb == "approve":
            parser.add_argument(
                "--digest", required=True, metavar="DIGEST", help="of what `show` printed, 12 digits at least"
            )
        if verb == "edit":
            parser.add_argument(
                "--set", action="append", required=True, metavar="PLACE=VALUE", help="body.NAME=… or query.NAME=…"
            )
            parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the record")
        if verb == "reject":
            parser.add_argument("--reason", required=True, metavar="TEXT", help="why, for the record")


def list_suggestions(args: argparse.Namespace) -> int:
    """
    Print the suggestions, as the running process or the record says.
    """
    state = state_folder(args.config)
    running = find_running(state)
    if running is not None:
        asked = [name for name in ("all", "shadow") if getattr(args, name)]
        query = "&".join(f"{name}=true" for name in asked)
        found = looked(running, f"/v1/suggestions?{query}")
    else:
        say_alone(args.config)
        found = _on_record(state, args) if has_started(state) else []
    if args.json:
        data(found)
    else:
        table(*whose(HEADERS, [_row(one) for one in found], found, lambda one: one["state"] not in LIVE))
    return 0


def show(args: argparse.Namespace) -> int:
    """
    Print the card of a suggestion.
    """
    id_, state = _id(args.suggestion), state_folder(args.config)
    running = find_running(state)
    if running is not None:
        found = running.insist("GET", f"/v1/suggestions/{id_}", within_s=ASKED_S)
    else:
        found = _card_on_record(state, id_)
    _print(args, found)
    return 0


def approve(args: argparse.Namespace) -> int:
    """
    Approve one, and say what came of it.
    """
    running, id_ = _running(args), _id(args.suggestion)
    running.insist("POST", f"/v1/suggestions/{id_}/approve", {"digest": args.digest}, within_s=ASKED_S)
    found = running.insist("GET", f"/v1/suggestions/{id_}?wait={round(DECIDED_S)}", within_s=DECIDED_S + ASKED_S)
    if args.json:
        data(found)
        return 0
    how = made_words(found) or _because(found)
    print(shown(f"{found['suggestion']} is approved by {found['by']}, and {found['state']}{how}"))
    return 0


def edit(args: argparse.Namespace) -> int:
    """
    Edit one, and print what is shown from then on.
    """
    body = {"set": args.set} | ({"reason": args.reason} if args.reason else {})
    path = f"/v1/suggestions/{_id(args.suggestion)}/edit"
    _print(args, _running(args).insist("POST", path, body, within_s=ASKED_S))
    return 0


def reject(args: argparse.Namespace) -> int:
    """
    Decide against one.
    """
    path = f"/v1/suggestions/{_id(args.suggestion)}/reject"
    found = _running(args).insist("POST", path, {"reason": args.reason}, within_s=ASKED_S)
    if args.json:
        data(found)
    else:
        print(f"{found['suggestion']} is {found['state']} by {shown(found['by'])}")
    return 0


def _print(args: argparse.Namespace, found: Card) -> None:
    if args.json:
        data(found)
    else:
        print("\n".join(card_lines(found)))


def _because(found: Card) -> str:
    kept = found.get("kept_back")
    return f": {kept['reason']}" if kept else f" ({why_words(found)})" if found.get("why") else ""


def _running(args: argparse.Namespace) -> Running:
    running = find_running(state_folder(args.config))
    if running is None:
        hint = "`breakwater serve` starts one; what is parked is kept until its time"
        raise StartRefused("no Breakwater is running on this state folder", hint)
    return running


def _id(suggestion: str) -> str:
    if not (suggestion.isascii() and suggestion.isalnum()):
        raise StartRefused(f"'{suggestion[:40]}' is no id of a suggestion", "`breakwater suggestions list` prints them")
    return suggestion


def _row(one: Card) -> list[object]:
    ended = ", ".join(text for text in (one.get("by") and f"by {one['by']}", one.get("why")) if text)
    why = ", ".join(one["reasons"]) if one["state"] in LIVE else ended
    names = ("suggestion", "state", "agent", "api", "operation")
    return [*(one[name] for name in names), " and ".join(one["roles"]), one["expires"], why]


# ---------------------------------------------------------------------------------------------- without a process


def _on_record(state: Path, args: argparse.Namespace) -> list[Card]:
    with looking_into(state) as record:
        asked = record.index.find(Wanted(kind="approval.requested", newest=NEWEST))
        stands = [_folded(record, one.entry["call"])[0].known for one in asked]
        known = {id_: one for held in stands for id_, one in held.items()}
    return [row(one) for one in known.values() if one.shadow is args.shadow and (args.all or one.stage in LIVE)]


def _card_on_record(state: Path, id_: str) -> Card:
    with looking_into(state) as record:
        folded, records = _folded(record, id_)
        if id_ not in folded.known:
            raise StartRefused(
                f"no suggestion is on record as '{id_}'", "`breakwater suggestions list --all` prints them"
            )
        showing = next(
            one for one in reversed(records) if one.kind in SHOWING and "dig" in one.entry and "exp" in one.entry
        )
        opened = record.payloads.open(showing)
    shown_, before = opened.get("shown"), opened.get("before")
    if not isinstance(shown_, Kept):
        raise StartRefused(f"what suggestion {id_} shows cannot be opened", "see `breakwater ledger verify`")
    held = before.data if isinstance(before, Kept) else None
    return card(folded.known[id_], Showing(shown_.data, held, showing.entry), None)


def _folded(record: Lookup, id_: str) -> tuple[Parked, list[Record]]:
    """
    Return how a suggestion stands by all that is on record of it.
    """
    records = [one for one in record.index.find(Wanted(call=id_)) if one.kind in KINDS]
    folded = Parked()
    for one in records:
        folded.see(one.entry, "")
    return folded, records
