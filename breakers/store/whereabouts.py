"""
Which server has a deployment's keys, and connections to it that were checked before anything is asked.

Sentinels are asked who the primary is, nodes of a cluster who serves the deployment's one slot; what they said is
believed until a connection fails or a server says that it is not the one. A connection that leads to another server
than the trusted one, after a restart or a failover or because an address was given away, is never used: that server may
lack the last of what was acknowledged.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from binascii import crc_hqx
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import AsyncIterator

from breakers.store.connection import Connection, Login, dial
from breakers.store.link import Server
from breakers.store.protocol import StoreUnavailable
from breakers.store.refusals import sentence
from breakers.store.resp import GARBAGE, Refusal, Reply
from config.store import Node, RedisAddress

SLOTS = 16_384

OLDEST = (6, 2)
"""The first whose scripts and commands are all that are used here."""

MOVED = "another Redis answers than the one that the ledger was replayed into"

_VERSION = re.compile(rb"([0-9]{1,4})\.([0-9]{1,4})\.")


class Whereabouts:
    """
    Makes connections to the server of a deployment: none but `trusted` where one is, and `moved` once another answered.
    """

    def __init__(
        self,
        address: RedisAddress,
        deployment: str,
        login: Login,
        sentinel_login: Login = Login(),
        tls: ssl.SSLContext | None = None,
        within_s: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._address, self._tls, self._within_s = address, tls, within_s
        self._login, self._sentinel_login = login, sentinel_login
        self._slot = crc_hqx(deployment.encode(), 0) % SLOTS
        self._seeds = list(address.seeds)
        self._node: Node | None = None
        self.trusted, self.moved = "", False
