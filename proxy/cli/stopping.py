"""`breakwater kill` where nothing runs: the stop is put on record in the state folder itself."""

from __future__ import annotations

import argparse

from breakers.stops import REASON_CHARS_MAX, Mode, Stop
from config.load import Configuration, load
from config.store import MEMORY
from proxy.cli.client import has_started
from proxy.cli.folder import on_folder
from proxy.cli.say import data
from proxy.cli.where import state_of
from proxy.clock import SystemClock
from proxy.control.acting import HOUSE
from proxy.errors import StartRefused
from proxy.keys import Keys
from proxy.ledger.book import Ledger
from proxy.ordered import returning
from proxy.scopes import read_scope

AHEAD = 1_000_000
"""More orders than the other processes of a fleet have given that this folder's process has not heard of."""


def run(args: argparse.Namespace) -> int:
    """
    Put a stop on record where nothing runs: the next start begins with it.
    """
    state = state_of(args)
    if not has_started(state):
        raise StartRefused(f"no Breakwater ever ran on {state}", "a first start runs; stop it once it does")
    configuration: Configuration = load(args.config)

    scope = read_scope(args.scope, configuration.catalogs, configuration.agents)
    ahead = 1 if configuration.settings.store == MEMORY else AHEAD

    async def stopped(ledger: Ledger, _: Keys) -> Stop:
        known, now = ledger.stops.newest().by_scope, SystemClock().now()
        epoch = ahead + max((stop.epoch for stop in known.values()), default=0)
        stop = Stop(scope, Mode(args.mode), epoch, HOUSE.name, args.reason[:REASON_CHARS_MAX], now)
        before = known.get(scope)
        if before is not None and before.mode_at(now).strictness > stop.mode.strictness:
            mode = before.mode_at(now)
            raise StartRefused(f"`{scope}` is `{mode}`: that is more", "start it, then `breakwater resume`")
        stop = returning(stop, before)
        await ledger.stops.changed(stop)
        return stop

    stop = on_folder(configuration, stopped)
    if args.json:
        data({"scope": stop.scope, "mode": str(stop.mode), "epoch": stop.epoch, "by": stop.actor, "recorded": True})
    else:
        print(f"{stop.scope}: {stop.mode}, epoch {stop.epoch}, on record; nothing runs, and the next start begins so")
    return 0
