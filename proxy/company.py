"""What a process has to do with the others of its deployment: the letters that they write, the board that they keep."""

from __future__ import annotations

from typing import NamedTuple

from breakers.store.fleet import FleetStore
from breakers.store.members import Member, id_of
from breakers.store.protocol import Store
from config.load import Configuration
from proxy.board import Board
from proxy.clock import Clock, Randomness
from proxy.envelopes import Envelopes
from proxy.keys import Keys
from proxy.ledger.book import Ledger
from proxy.ledger.drafts import stamp
from proxy.letters import Letters, Other
from proxy.logline import Log
from proxy.metrics import Metrics
from proxy.operators import Operators, roles_of
from proxy.pinned import PinSeal
from proxy.sealer import Sealer

STOPPED = "stopped"


class Company(NamedTuple):
    """
    The rooms in which others are met, by their names, and what all of them know of who may call or act.
    """

    keys: Keys
    operators: Operators
    letters: Letters
    board: Board


def open_company(
    configuration: Configuration,
    ledger: Ledger,
    store: Store,
    keys: Keys,
    envelopes: Envelopes,
    clock: Clock,
    randomness: Randomness,
    log: Log,
    metrics: Metrics,
) -> Company:
    """
    Join what a process has to do with others; where the store is nobody else's, that is nothing.
    """
    settings, operators = configuration.settings, Operators(roles_of(configuration), ledger.recovered.operators)
    shared = store if isinstance(store, FleetStore) else None
    sealer = Sealer(ledger.ring, settings.deployment, clock.now, randomness)
    letters = Letters(None if shared is None else shared.mail, sealer, ledger.replica, clock, log)
    letters.on_bad = metrics.letter_refused
    if shared is not None:
        fleet = shared

        async def others() -> tuple[Other, ...]:
            heard = {one.id: one for one in fleet.members()}
            there = [other(one) for one in heard.values() if one.id != ledger.replica and one.state != STOPPED]
            # Who belongs to the fleet by this record, and is not heard of at all, is silent and not gone.
            missed = {id_of(name) for name in ledger.fleet.known.names} - heard.keys() - {ledger.replica}
            return (*there, *(Other(id_, lives=False) for id_ in sorted(missed)))

        letters.others = others
    seal = PinSeal(ledger.ring, settings.deployment, randomness)
    pins, views = None if shared is None else shared.pins, (keys, operators.tokens)
    board = Board(pins, seal, views, ledger.access, ledger.replica, clock, log)
    board.away_s = envelopes.away_s = settings.keys.away_s
    envelopes.vouch = board.vouch
    return Company(keys, operators, letters, board)


def other(member: Member) -> Other:
    """
    Return another process as its last sign of life has it.
    """
    said = member.presence
    return Other(
        member.id,
        member.live,
        {
            "host": said.host,
            "pid": said.pid,
            "epoch": said.kill_epoch,
            "applied_at": None if said.applied_at is None else stamp(said.applied_at),
            "in_flight": said.in_flight,
            "last_dispatch": None if said.last_dispatch is None else stamp(said.last_dispatch),
            "heard_at": stamp(member.heard_at),
        },
    )
