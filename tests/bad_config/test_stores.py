"""Stores that lead nowhere, passwords that stand where they must not, names of deployments. Places count from 1."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.store import Node, RedisAddress, redis_address
from tests.canary.forms import secret
from tests.config.shop import faults

FORMS = "`redis://HOST:PORT/DB`"

# text, then where the one fault stands, part of its message, part of its hint
TABLE: dict[str, tuple[str, tuple[int, int, str, str]]] = {
    "unknown store": ("store: disk\n", (1, 8, "`disk` is no store", FORMS)),
    "misspelt store": ("store: memry\n", (1, 8, "`memry` is no store", "did you mean `memory`?")),
    "store is a number": ("store: 6379\n", (1, 8, "this must be text", FORMS)),
    "another scheme": ("store: http://127.0.0.1\n", (1, 8, "a store is `memory` or a Redis", FORMS)),
    "no host": ("store: redis://\n", (1, 8, "names no host", FORMS)),
    "a host in capitals and spaces": ("store: 'redis://a b'\n", (1, 8, "names no host", FORMS)),
    "a port that is none": ("store: redis://a:x\n", (1, 8, "cannot be read", FORMS)),
    "port zero": ("store: redis://a:0\n", (1, 8, "names no host", FORMS)),
    "a database by name": ("store: redis://a/main\n", (1, 8, "the number of a database", "")),
    "options": ("store: 'redis://a/0?socket_timeout=9'\n", (1, 8, "has no options", "end it after the database")),
    "a relative socket": (
        "store: unix://run/redis.sock\n",
        (1, 8, "begins with a slash", "`unix:///run/redis/redis.sock`"),
    ),
    "a folder": ("store: unix:///run/\n", (1, 8, "begins with a slash", "")),
    "a user that is none": ("store: redis://a%20b@c\n", (1, 8, "no user of a Redis", "")),
    "deployment with a brace": ("deployment: 'a}{b'\n", (1, 13, "`a}{b` is no name of a deployment", "digits and `-`")),
    "deployment in capitals": ("deployment: Shop\n", (1, 13, "`Shop` is no name of a deployment", "at most 40")),
    "deployment too long": (f"deployment: {'a' * 41}\n", (1, 13, "no name of a deployment", "at most 40")),
    "deployment is a number": ("deployment: 5\n", (1, 13, "no name of a deployment", "")),
    "password for memory": (
        "store_password: {env: A}\n",
        (1, 1, "a store in memory has no password", "name a Redis"),
    ),
    "password in two places": (
        "store: redis://a\nstore_password: {env: A, file: b}\n",
        (2, 17, "exactly one place", "either `{env: NAME}` or `{file: PATH}`"),
    ),
    "password in no place": ("store: redis://a\nstore_password: {}\n", (2, 17, "exactly one place", "")),
    "password in the vault": (
        "store: redis://a\nstore_password: {vault: a}\n",
        (2, 18, "`vault` is unknown here", ""),
    ),
    "no variable": (
        "store: redis://a\nstore_password: {env: a-b}\n",
        (2, 17, "`env` is the name of an environment variable", "{env: REDIS_PASSWORD}"),
    ),
    "sentinels without a name": (
        "store: sentinel://a,b\n",
        (1, 8, "stands the name", "`sentinel://HOST:PORT,…/NAME/DB`"),
    ),
    "a name with a space": ("store: 'sentinel://a/b c'\n", (1, 8, "stands the name", "")),
    "sentinels and no database": ("store: sentinel://a/shop/x\n", (1, 8, "the number of a database", "")),
    "a node twice": ("store: 'cluster://a,a:6379'\n", (1, 8, "each host once", FORMS)),
    "too many nodes": (f"store: 'cluster://{','.join(f'h{n}' for n in range(17))}'\n", (1, 8, "16 at most", FORMS)),
    "an empty node": ("store: 'cluster://a,'\n", (1, 8, "names no host", FORMS)),
    "a database in a cluster": ("store: cluster://a/1\n", (1, 8, "a cluster has one database", FORMS)),
    "several of one": ("store: 'redis://a,b'\n", (1, 8, "names no host", FORMS)),
    "TLS for memory": ("store_tls: {ca: a}\n", (1, 1, "no TLS leads to this store", "`rediss://`")),
    "TLS without TLS": ("store: cluster://a\nstore_tls: {}\n", (2, 1, "no TLS leads", "`clusters://`")),
    "a certificate without its key": (
        "store: rediss://a\nstore_tls: {certificate: a}\n",
        (2, 12, "go together", "`certificate: FILE` and `key: FILE`"),
    ),
    "a password of no sentinels": (
        "store: redis://a\nsentinel_password: {env: A}\n",
        (2, 1, "this store has no Sentinels", "`store: sentinel://HOST:PORT,…/NAME`"),
    ),
    "answers for a day": ("idempotency: {answers: 1d}\n", (1, 24, "three days at least", "`3d` or more")),
}


@pytest.mark.parametrize("name", TABLE)
def test_stores(name: str, tmp_path: Path) -> None:
    """Each has this one fault, at its place, with its fix."""
    text, (line, column, message, hint) = TABLE[name]
    (tmp_path / "breakwater.yaml").write_text(text, encoding="utf-8")
    (fault,) = faults(tmp_path / "breakwater.yaml")
    assert (fault.line, fault.column) == (line, column)
    assert message in fault.message
    assert hint in fault.hint


@pytest.mark.parametrize(
    "spelling",
    [
        "store: 'redis://:{}@a'",
        "store: 'rediss://app:{}@a/0'",
        "store: 'redis://a@b@{}'",
        "store: 'sentinels://app:{}@a,b/shop'",
        "store: 'cluster://:{}@a,b'",
        "store: 'cluster://a@{},b@c'",
        "store: redis://a\nstore_password: {}",
        "store: sentinel://a/shop\nsentinel_password: {}",
    ],
)
def test_password_in_file(spelling: str, tmp_path: Path) -> None:
    """A password in the file is refused without being repeated."""
    password = secret("store-password")
    path = tmp_path / "breakwater.yaml"
    path.write_text(spelling.format(password) + "\n", encoding="utf-8")
    (fault,) = faults(path)
    path.unlink()
    assert "a password is never written here" in fault.message
    assert "{env: NAME}" in fault.hint
    assert password not in str(fault) + fault.hint


def test_scheme_left_out(tmp_path: Path) -> None:
    """An address without its scheme is not repeated either: it may hold a password all the same."""
    password = secret("store-password")
    path = tmp_path / "breakwater.yaml"
    path.write_text(f"store: 'app:{password}@a:6379'\n", encoding="utf-8")
    (fault,) = faults(path)
    path.unlink()
    assert "this is no store" in fault.message
    assert FORMS in fault.hint
    assert password not in str(fault) + fault.hint


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1", RedisAddress("127.0.0.1")),
        ("redis://127.0.0.1:6380/2", RedisAddress("127.0.0.1", 6380, 2)),
        ("redis://app@redis.internal/", RedisAddress("redis.internal", user="app")),
        ("rediss://redis.internal:6390", RedisAddress("redis.internal", 6390, tls=True)),
        ("redis://[::1]:6380", RedisAddress("::1", 6380)),
        ("sentinel://a/shop", RedisAddress(seeds=(Node("a", 26379),), primary="shop")),
        (
            "sentinels://app@10.0.0.1:5,[::1]/shop/2",
            RedisAddress("", 6379, 2, True, "app", None, (Node("10.0.0.1", 5), Node("::1", 26379)), "shop"),
        ),
        ("cluster://a,b:7", RedisAddress(seeds=(Node("a", 6379), Node("b", 7)))),
        ("clusters://app@a/", RedisAddress(tls=True, user="app", seeds=(Node("a", 6379),))),
        ("unix:///run/redis/redis.sock", RedisAddress(path="/run/redis/redis.sock")),
        ("unix://app@/run/redis.sock", RedisAddress(user="app", path="/run/redis.sock")),
    ],
)
def test_good(url: str, address: RedisAddress, tmp_path: Path) -> None:
    """Each leads where it says, and has no fault."""
    (tmp_path / "breakwater.yaml").write_text(f"store: {url}\nstore_password: {{env: A}}\n", encoding="utf-8")
    assert faults(tmp_path / "breakwater.yaml") == ()
    assert redis_address(url) == address
