"""
The composition root: the only place that builds rooms and joins them.

What a room needs from outside (clock, randomness, disk, dialler, environment) is made here and passed down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from breakers.allowlist import policy_of
from breakers.policy import Policy
from breakers.store.protocol import Store
from config.consistency import door_of
from config.load import Configuration
from config.settings import Settings
from config.written import UnixSocket
from proxy.account import Account, open_account
from proxy.alerting import Alerting
from proxy.announcing import Announcer
from proxy.answers import Answers
from proxy.clock import Clock, Randomness, SystemClock, system_randomness
from proxy.company import open_company
from proxy.credentials import Credentials, OnChange, missing
from proxy.dial import Address, Dialer
from proxy.doors import SHARED, Door
from proxy.drifting import Drifting
from proxy.envelopes import Envelopes
from proxy.fleetnews import FleetNews
from proxy.following import Following
from proxy.forward import Forwarder
from proxy.inflight import InFlight
from proxy.inforce import InForce
from proxy.judging import Judging
from proxy.keys import Keys
from proxy.killfile import KillFile
from proxy.killing import KillSwitch
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Disk, RealDisk
from proxy.ledger.keyring import FINGERPRINT
from proxy.ledger.layout import VAULT, home_of
from proxy.ledger.writer import State
from proxy.logline import JsonLog, Log
from proxy.metrics import Metrics
from proxy.naming import Namer
from proxy.observing import Observer
from proxy.outbound import Wires
from proxy.pending import Pending
from proxy.retrying import Retries
from proxy.reviewing import Reviewing
from proxy.rooms import Rooms
from proxy.sampler import Sampler
from proxy.secret import Secret, with_user
from proxy.settling import Settling
from proxy.slices import Slices
from proxy.standing import Standing
from proxy.stores import open_store
from proxy.suggesting import Suggesting
from proxy.tasks import Tasks
from proxy.throttling import Throttling
from proxy.tokens import Tokens
from proxy.ulid import Ulids
from proxy.vault import Vault, stored_in
from proxy.webhook import Webhook


def declared_doors(configuration: Configuration) -> dict[str, Door]:
    """
    Return every door by name: one for each base of each API, and the shared one where it is configured.
    """
    doors, listens = {}, configuration.doors()
    for api, base in listens:
        name = door_of(api, base, configuration.bases(api))
        doors[name] = Door(name, api, base, isinstance(listens[api, base], UnixSocket))
    shared = configuration.settings.shared
    if shared is not None:
        doors[SHARED] = Door(SHARED, unix=isinstance(shared, UnixSocket))
    return doors


def open_accounts(configuration: Configuration, environ: Mapping[str, str]) -> dict[str, Account]:
    """
    Read every API's credential; raise `StartRefused` for the first that cannot be used.

    One in the vault is only looked for: it opens once the state folder is ours.
    """
    disk = RealDisk()
    sealed = {version.name for version in stored_in(disk, home_of(configuration.settings.state, disk) / VAULT)}
    for name, apis in used_by(configuration).items():
        if name not in sealed:
            raise missing(name, apis[0])
    return {name: open_account(configuration, name, environ) for name in configuration.apis}


def used_by(configuration: Configuration) -> dict[str, tuple[str, ...]]:
    """
    Return the names of the vault that the configuration needs, each with its APIs.
    """
    names = {api: account.credential.vault for api, account in configuration.apis.items()}
    return {name: tuple(api for api in names if names[api] == name) for name in names.values() if name is not None}


def open_credentials(
    configuration: Configuration,
    ledger: Ledger,
    *,
    clock: Clock | None = None,
    randomness: Randomness = system_randomness,
    disk: Disk | None = None,
    on_change: OnChange | None = None,
) -> Credentials:
    """
    Return what the vault holds; whoever takes from it settles it first.
    """
    state, disk = configuration.settings.state, disk or RealDisk()
    home = home_of(state, disk)
    kind = Credentials if home == state else Following
    return kind(
        Vault(home / VAULT, disk, ledger.ring, randomness),
        clock or SystemClock(),
        ledger.access.credential_changed,
        ledger.recovered.credentials,
        used_by(configuration),
        unsure=lambda: ledger.state is State.POISONED,
        on_change=on_change,
    )


def build(
    configuration: Configuration,
    accounts: Mapping[str, Account],
    ledger: Ledger,
    keys: Keys,
    doors: Mapping[str, Door],
    taken: list[Address],
    *,
    clock: Clock | None = None,
    randomness: Randomness = system_randomness,
    disk: Disk | None = None,
    log: Log | None = None,
    store: Store | None = None,
) -> Rooms:
    """
    Join the rooms of one running program. `taken` is filled with our own addresses, which nobody may dial.

    The store is the one that the configuration names, unless another is given; whoever runs the program starts it.
    """
    clock = clock or SystemClock()
    store = store or open_store(configuration, {}, clock)
    settings, metrics, log = configuration.settings, Metrics(), log or JsonLog(clock)
    namer = Namer(ledger.ring.key(FINGERPRINT, ledger.ring.versions[0]))
    retries = Retries(clock, randomness, lambda api, why: metrics.upstream_retries.labels(api, why).inc())
    on_echo, on_change, dialer = _telling(metrics, log), _turning(configuration, accounts), Dialer(lambda: taken)
    policy, tasks = policy_of(configuration), open_tasks(configuration, ledger, store, clock, randomness)
    brakes = _open_brakes(settings, policy, accounts, ledger, store, clock, randomness, log, metrics, retries)
    ends = _open_ends(ledger, store, clock, randomness, log)
    company = open_company(configuration, ledger, store, keys, tasks.envelopes, clock, randomness, log, metrics)
    news = FleetNews(ledger.fleet, brakes.announcer, metrics.fleet, ends.ids.new, log)
    standing = Standing(store, ledger.events, log, namer.made_with, ledger.replica, ledger.fleet, news)
    brakes.killswitch.on_emptied = standing.hurry
    return Rooms(
        settings=settings,
        accounts=accounts,
        policy=policy,
        agents=frozenset(configuration.agents),
        doors=doors,
        tokens=tasks.tokens,
        envelopes=tasks.envelopes,
        tasks=tasks,
        store=store,
        standing=standing,
        namer=namer,
        judging=Judging(),
        ledger=ledger,
        credentials=open_credentials(
            configuration, ledger, clock=clock, randomness=randomness, disk=disk, on_change=on_change
        ),
        forward=Forwarder(accounts, dialer, settings.timeouts, clock, store, on_echo, retries, *brakes.asked),
        wires=Wires(randomness),
        inflight=InFlight(),
        pending=Pending(),
        clock=clock,
        log=log,
        metrics=metrics,
        **ends._asdict(),
        **brakes._asdict(),
        **company._asdict(),
    )


class _Ends(NamedTuple):
    """
    What sees to it that what was taken ends, by its name as a room.
    """

    ids: Ulids
    settling: Settling
    slices: Slices
    answers: Answers


def _open_ends(ledger: Ledger, store: Store, clock: Clock, randomness: Randomness, log: Log) -> _Ends:
    """
    Join what sees to it that what was taken ends.
    """
    ids, settling = Ulids(clock, randomness), Settling(store, clock, log)
    slices = Slices(store, ledger.charged_reads, settling, clock, ids, log)
    return _Ends(ids, settling, slices, Answers(store, ledger.answer_at, ledger.ring, randomness))


class _Brakes(NamedTuple):
    """
    What keeps calls back and tells people of that, by its name as a room.
    """

    announcer: Announcer
    sampler: Sampler
    observer: Observer
    killswitch: KillSwitch
    suggesting: Suggesting
    reviewing: Reviewing
    drifting: Drifting

    @property
    def asked(self) -> tuple[Sampler, KillSwitch]:
        """
        Return what is asked and told of each attempt.
        """
        return self.sampler, self.killswitch


def _open_brakes(
    settings: Settings,
    policy: Policy,
    accounts: Mapping[str, Account],
    ledger: Ledger,
    store: Store,
    clock: Clock,
    randomness: Randomness,
    log: Log,
    metrics: Metrics,
    retries: Retries,
) -> _Brakes:
    """
    Join what keeps calls back.
    """
    announcer = Announcer(log, lambda kind: metrics.announcements.labels(kind).inc(), ledger.notices, clock)
    throttling = Throttling({api: account.dialect for api, account in accounts.items()}, clock.now)
    sampler = Sampler(clock, settings.timeouts, policy.gauging, throttling)
    observer = Observer(
        sampler, store, ledger.notices, announcer, log, clock, retries.draw, metrics.breaker_moved, ledger.replica
    )
    here = InForce(ledger.recovered.stops, KillFile(home_of(settings.state, RealDisk()), RealDisk()), clock)
    killswitch = KillSwitch(store, ledger.stops, here, clock, log, announcer, metrics.stop_applied)
    killswitch.heeds_itself = settings.kill.auto
    return _Brakes(
        announcer,
        sampler,
        observer,
        killswitch,
        Suggesting(store, ledger.approvals, clock, randomness, announcer, metrics.suggestions),
        Reviewing(ledger.reviews, randomness, metrics.reviews),
        Drifting(ledger.drift.standing),
    )


def open_tasks(
    configuration: Configuration,
    ledger: Ledger,
    store: Store,
    clock: Clock,
    randomness: Randomness = system_randomness,
) -> Tasks:
    """
    Return what opens and closes tasks, and makes their tokens.
    """
    return Tasks(
        store,
        ledger.tasks,
        Tokens(ledger.ring, randomness),
        Envelopes(store, clock),
        clock,
        Ulids(clock, randomness),
        configuration.settings.tasks,
        frozenset(configuration.agents),
        {api: catalog.dialect.token_prefix for api, catalog in configuration.catalogs.items()},
    )


def open_alerting(rooms: Rooms, webhook: Webhook | None) -> Alerting:
    """
    Return what tells people of alerts.
    """
    post = None if webhook is None else webhook.post
    return Alerting(rooms.store, rooms.ledger.alerted, rooms.log, rooms.metrics.alerted, post)


def begin_announcing(rooms: Rooms, webhook: Webhook | None) -> None:
    """
    Announce what the record has that nobody was told of, and from now on to the webhook as well.
    """
    rooms.announcer.post = None if webhook is None else webhook.post
    rooms.announcer.begin()


def _telling(metrics: Metrics, log: Log) -> Callable[[str], None]:
    """
    Return what counts and logs that an upstream echoed an account's credential.
    """

    def on_echo(api: str) -> None:
        metrics.echoes.labels(api).inc()
        log.event("credential-echoed", api=api)

    return on_echo


def _turning(configuration: Configuration, accounts: Mapping[str, Account]) -> OnChange:
    """
    Return what gives accounts the new versions of a name in the vault.
    """
    needed = used_by(configuration)

    def on_change(name: str, versions: Sequence[tuple[str, Secret]]) -> None:
        for api in needed[name]:
            user = configuration.apis[api].credential.user
            accounts[api].credential.turn([(ref, with_user(secret, user)) for ref, secret in versions])

    return on_change
