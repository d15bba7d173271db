"""A state folder's ledger, opened: what a process needs of its folder, and all that a command on a folder needs."""

from __future__ import annotations

from importlib.metadata import version

from config.load import Configuration
from proxy.clock import Clock, Randomness, SystemClock, system_randomness
from proxy.keys import Keys
from proxy.ledger.book import Ledger
from proxy.ledger.disk import Disk, RealDisk
from proxy.ledger.remembered import TOTALS_S


def open_ledger(
    configuration: Configuration,
    *,
    clock: Clock | None = None,
    randomness: Randomness = system_randomness,
    disk: Disk | None = None,
    new_epoch: str | None = None,
) -> tuple[Ledger, Keys]:
    """
    Lock the state folder and open its ledger; return it with the view of agents' keys.

    Raise `StartRefused` where the folder is locked, `LedgerDamaged` where its record does not verify.
    """
    remembered = configuration.settings.idempotency
    ledger = Ledger.open(
        configuration.settings.state,
        settings=configuration.settings.ledger,
        clock=clock or SystemClock(),
        randomness=randomness,
        disk=disk or RealDisk(),
        config_hash=configuration.version,
        software=version("breakwater"),
        new_epoch=new_epoch,
        answer_bytes_max=configuration.settings.limits.answer_bytes_max,
        remembered_s=max(remembered.answers_s + remembered.outcomes_s, TOTALS_S),
    )
    keys = Keys()
    for key in ledger.recovered.keys:
        keys.minted(key)
    return ledger, keys
