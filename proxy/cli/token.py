"""`breakwater token`: make tokens of a task, narrow one without asking anybody, read one, take one back."""

from __future__ import annotations

import argparse
import sys
from datetime import timedelta
from typing import Any

from breakers.caveats import moment
from config.faults import Unreadable
from config.load import load
from config.written import read_duration
from proxy.cli.say import data, table
from proxy.cli.task import path_of
from proxy.cli.tasked import TASK_HELP, asked
from proxy.cli.usage import add_noun
from proxy.clock import SystemClock
from proxy.control.tasks import said_opened
from proxy.errors import StartRefused
from proxy.ledger.drafts import stamp
from proxy.orders import MintOrder, read_order
from proxy.tasks import Tasks
from proxy.tokens import TOKEN_CHARACTERS_MAX, Written, narrowed, read_token

EPILOG = """\
examples:
  breakwater token mint support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB --for stripe
  breakwater token narrow "$TOKEN" 'r=charges.*:r' n=20 --ttl 10m
  breakwater token narrow - m=GET < token.txt
  breakwater token inspect "$TOKEN"
  breakwater token revoke dz4vq3xkfm2c7a6b

Whoever holds a token can narrow it, and nobody can widen it: `narrow` and
`inspect` need no Breakwater, no configuration and no network. `-` reads the token
from standard input. docs/TASKS.md lists what a token can be narrowed to.
"""

MEANS = {
    "t": "its task", "a": "its agent", "exp": "valid until", "nbf": "valid from", "p": "only these APIs",
    "r": "only these operations", "m": "only these methods", "max": "moves no more in all", "n": "so many calls in all",
    "ip": "only from there", "peer": "only as this user", "env": "only in this environment",
    "appr": "asks for approval",
}  # fmt: skip


def add(parser: argparse.ArgumentParser) -> None:
    """
    Say how the command and its verbs are used.
    """
    verbs = add_noun(parser, EPILOG)
    minting = verbs.add_parser(
        "mint",
        help="make another token of an open task and print it once",
        epilog="example: breakwater token mint support_refund_agent/01K9ZTQ6Q7T6GZ7E0M3V4R8XWB 'r=charges.*:r'",
    )
    minting.add_argument("task", metavar="TASK", help=TASK_HELP)
    minting.add_argument("--for", dest="api", metavar="API", help="the API whose SDK asks for a form of its own")
    minting.set_defaults(run=mint)
    narrowing = verbs.add_parser(
        "narrow",
        help="print a token that may do less than this one",
        epilog="""example: breakwater token narrow "$TOKEN" 'r=refunds.*:rw|charges.*:r' max=50USD""",
    )
    narrowing.set_defaults(run=narrow)
    inspecting = verbs.add_parser(
        "inspect", help="print what a token says", epilog='example: breakwater token inspect "$TOKEN" --json'
    )
    inspecting.set_defaults(run=inspect)
    revoking = verbs.add_parser(
        "revoke",
        help="make a token invalid, and all that were narrowed from it",
        epilog="example: breakwater token revoke dz4vq3xkfm2c7a6b",
    )
    revoking.add_argument("token", metavar="TOKEN", help="its id, its text, or - to read that from standard input")
    revoking.set_defaults(run=revoke)
    for verb in (narrowing, inspecting):
        verb.add_argument("token", metavar="TOKEN", help="its text, or - to read that from standard input")
    for verb in (minting, narrowing):
        verb.add_argument("caveats", nargs="*", metavar="CAVEAT", help="what it may do: r=charges.*:r, n=20, max=50USD")
        verb.add_argument("--ttl", metavar="TIME", help="for how long it is valid: 90s, 10m")


def mint(args: argparse.Namespace) -> int:
    """
    Make a token and print it.
    """
    body = {"caveats": args.caveats} | ({"ttl": args.ttl} if args.ttl else {}) | ({"for": args.api} if args.api else {})
    order = read_order(MintOrder, body)

    async def work(tasks: Tasks) -> dict[str, object]:
        return said_opened(tasks, await tasks.mint(args.task, order))

    made = asked(load(args.config), "POST", f"{path_of(args.task)}/tokens", body, work)
    if args.json:
        data(made)
    else:
        print(made["token"])
    return 0


def narrow(args: argparse.Namespace) -> int:
    """
    Narrow a token and print what comes of it.
    """
    token = _given(args.token)
    caveats = [*args.caveats, *([_ends_in(args.ttl)] if args.ttl else [])]
    if not caveats:
        raise StartRefused("nothing says what it may do less", "name a caveat: `r=charges.*:r`, `m=GET`, `n=20`")
    try:
        for caveat in caveats:
            token = narrowed(token, caveat)
    except Unreadable as wrong:
        raise StartRefused(f"the token was not narrowed: {wrong.message}", wrong.hint) from None
    if args.json:
        data({**_said(token), "token": token.spelled()})
    else:
        print(token.spelled())
    return 0


def inspect(args: argparse.Namespace) -> int:
    """
    Print what a token says; whether it is authentic only its Breakwater can tell.
    """
    token = _given(args.token)
    if args.json:
        data(_said(token))
        return 0
    rows = [caveat.partition("=") for caveat in token.said]
    print(f"token {token.id}, under key {token.kid}")
    table(("caveat", "value", "means"), [(key, value, _meaning(key, value)) for key, _, value in rows])
    return 0


def revoke(args: argparse.Namespace) -> int:
    """
    Revoke a token.
    """
    which = _typed(args.token)

    async def work(tasks: Tasks) -> dict[str, object]:
        id_, until = await tasks.revoke(which)
        return {"tid": id_, "revoked": True, "until": stamp(until)}

    gone = asked(load(args.config), "POST", "/v1/tokens/revoke", {"token": which}, work)
    if args.json:
        data(gone)
    else:
        print(f"revoked {gone['tid']}, and what was narrowed from it")
    return 0


def _typed(text: str) -> str:
    return sys.stdin.readline(TOKEN_CHARACTERS_MAX + 2).strip() if text == "-" else text


def _given(text: str) -> Written:
    token = read_token(_typed(text))
    if token is None:
        # What it is instead may be another secret.
        raise StartRefused("this is no token", "it begins with `bw1_` or `rk_bw1_`, and is printed by `task open`")
    return token


def _ends_in(ttl: str) -> str:
    try:
        until = SystemClock().now() + timedelta(seconds=read_duration(ttl))
    except Unreadable as wrong:
        raise StartRefused(wrong.message, wrong.hint) from None
    return f"exp={int(until.timestamp())}"


def _said(token: Written) -> dict[str, Any]:
    return {"tid": token.id, "kid": token.kid, "caveats": list(token.said)}


def _meaning(key: str, value: str) -> str:
    means = MEANS.get(key, "nobody knows: it lets nothing pass")
    if key in {"exp", "nbf"}:
        try:
            return f"{means} {moment(value).isoformat()}"
        except ValueError:
            return "no time: it lets nothing pass"
    return means
