"""The configuration of a simulated deployment: one API that is called by agents with caps, and one agent without."""

from __future__ import annotations

import functools
import shutil
import tempfile
from pathlib import Path
from random import Random

from config.load import Configuration
from loadtest.installation import agent
from proxy.keys import AgentKey, make_key
from tests.proxy.road import configured

TASK_CAP, DAY_CAP, DAY_CALLS = 25, 60, 16
"""Of an agent, in dollars, and in calls: few enough to be met."""

CAPPED, PROBE = ("ann", "bob"), "zoe"
"""Agents with caps, and the one without, by whom it is seen that writes pass."""

_TILL = Path(__file__).with_name("till")


@functools.cache
def configuration() -> Configuration:
    """
    Return the one configuration of every simulated process, but for its state folder.
    """
    folder = Path(tempfile.mkdtemp())
    try:
        for one in _TILL.iterdir():
            shutil.copy(one, folder / one.name)
        api = {"catalog": "till.table.json", "upstream": "unix:///sim/till.sock", "credential": {"env": "TILL"}}
        caps = {
            "task": {"moved": f"{TASK_CAP} USD"},
            "day": {"moved": f"{DAY_CAP} USD", "calls": DAY_CALLS},
        }
        cards = {name: agent({"till": {"*": {}}}, loops=False, caps=caps) for name in CAPPED}
        cards[PROBE] = agent({"till": {"*": {}}}, loops=False)
        document: dict[str, object] = {
            "apis": {"till": api},
            "agents": cards,
            "store": "redis://127.0.0.1:1",
            "deployment": "sim",
            "timeouts": {"first_byte": "2s", "idle": "2s", "write_total": "5s", "look": "1s", "caller_deadline": "4s"},
        }
        return configured(folder, document)
    finally:
        shutil.rmtree(folder)


@functools.cache
def keys() -> tuple[tuple[AgentKey, str], ...]:
    """
    Return a key of each agent, with its text.
    """
    rng = Random("keys")
    return tuple(make_key(name, rng.randbytes) for name in (*CAPPED, PROBE))
