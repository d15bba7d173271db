"""Everything that a call needs on its way, built once by the composition root and handed down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from breakers.decide import Policy
from breakers.looping import Looping
from breakers.store.protocol import Store
from config.settings import Settings
from proxy.account import Account
from proxy.announcing import Announcer
from proxy.answers import Answers
from proxy.board import Board
from proxy.clock import Clock
from proxy.credentials import Credentials
from proxy.doors import Door
from proxy.doubt.inbox import Inbox
from proxy.drifting import Drifting
from proxy.envelopes import Envelopes
from proxy.forward import Forwarder
from proxy.inflight import InFlight
from proxy.judging import Judging
from proxy.keys import Keys
from proxy.killing import KillSwitch
from proxy.ledger.book import Ledger
from proxy.letters import Letters
from proxy.logline import Log
from proxy.metrics import Metrics
from proxy.naming import Namer
from proxy.observing import Observer
from proxy.operators import Operators
from proxy.outbound import Wires
from proxy.pending import Pending
from proxy.recent import Recent
from proxy.reviewing import Reviewing
from proxy.sampler import Sampler
from proxy.settling import Settling
from proxy.slices import Slices
from proxy.standing import Standing
from proxy.suggesting import Suggesting
from proxy.tasks import Tasks
from proxy.tokens import Tokens
from proxy.ulid import Ulids


@dataclass(slots=True)
class Rooms:
    """
    The rooms that stages reach into.

    `addresses` is every listener's URL by door; `stopping` turns True at the first sign of a stop, and never back.
    `worker` is which of a parent's workers this process is, if it is one.
    """

    settings: Settings
    accounts: Mapping[str, Account]
    policy: Policy
    agents: frozenset[str]
    doors: Mapping[str, Door]
    keys: Keys
    tokens: Tokens
    envelopes: Envelopes
    tasks: Tasks
    store: Store
    standing: Standing
    settling: Settling
    slices: Slices
    namer: Namer
    judging: Judging
    answers: Answers
    ledger: Ledger
    credentials: Credentials
    forward: Forwarder
    wires: Wires
    inflight: InFlight
    pending: Pending
    clock: Clock
    ids: Ulids
    log: Log
    metrics: Metrics
    announcer: Announcer
    reviewing: Reviewing
    sampler: Sampler
    observer: Observer
    suggesting: Suggesting
    killswitch: KillSwitch
    operators: Operators
    letters: Letters
    board: Board
    doubts: Inbox = field(default_factory=Inbox)
    drifting: Drifting = field(default_factory=Drifting)
    addresses: dict[str, str] = field(default_factory=dict)
    looping: Looping = field(default_factory=Looping)
    recent: Recent = field(default_factory=Recent)
    stopping: bool = False
    worker: int | None = None
