"""TLS to the store, from the file to the wire: a CA of one's own, a certificate to show, and whom nobody believes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from breakers.store import pool, redis
from breakers.store.fleet import FleetStore
from breakers.store.protocol import StoreUnavailable
from config.load import load
from proxy.clock import SystemClock
from proxy.errors import StartRefused
from proxy.stores import open_store
from tests.link.certificates import Authority, Signed
from tests.redis_server import RedisServer


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """
    Wait for a busy machine, and not between attempts.
    """
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 10.0)
    monkeypatch.setattr(pool, "PAUSE_S", 0.0)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """
    Return a CA that nobody knows.
    """
    return Authority(tmp_path / "ca")


@contextlib.asynccontextmanager
async def front(server: RedisServer, shown: Signed, asks: Authority | None = None) -> AsyncIterator[int]:
    """
    Take TLS in front of a plain Redis, and yield the port; `asks` signs whoever may come.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    if asks is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(asks.path)
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
        writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", server.port)
        for pair in ((reader, back), (there, writer)):
            task = asyncio.create_task(carry(*pair))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        while tasks:
            await asyncio.wait(tasks)
        await asyncio.sleep(0)


def opened(folder: Path, port: int, tls: str) -> FleetStore:
    """
    Return the store of a configuration whose files are named relative to it.
    """
    (folder / "breakwater.yaml").write_text(f"store: rediss://127.0.0.1:{port}\n{tls}\n", encoding="utf-8")
    store = open_store(load(folder / "breakwater.yaml"), {}, SystemClock())
    assert isinstance(store, FleetStore)
    return store


async def outcome(store: FleetStore) -> str:
    """
    Return what comes of a start: nothing, or why not.
    """
    try:
        await store.start(())
    except StoreUnavailable as error:
        return str(error)
    finally:
        await store.close()
    return ""


OWN = "store_tls: {ca: ca/ca.pem, certificate: ca/client.pem, key: ca/client.key}"


async def test_own_ca(tmp_path: Path, redis_server: RedisServer, authority: Authority) -> None:
    """A Redis whose certificate is signed by the CA that is named is believed, and by no other."""
    Authority(tmp_path / "ca", "other")
    async with front(redis_server, authority.signed("redis")) as port:
        assert await outcome(opened(tmp_path, port, "store_tls: {ca: ca/ca.pem}")) == ""
        for tls in ("store_tls: {ca: ca/other.pem}", ""):
            assert "the certificate of Redis is not trusted" in await outcome(opened(tmp_path, port, tls))


async def test_other_name(tmp_path: Path, redis_server: RedisServer, authority: Authority) -> None:
    """A certificate for another address is not believed, whoever signed it."""
    async with front(redis_server, authority.signed("redis", "127.0.0.9")) as port:
        said = await outcome(opened(tmp_path, port, "store_tls: {ca: ca/ca.pem}"))
    assert "the certificate of Redis is not trusted" in said


async def test_client_certificate(tmp_path: Path, redis_server: RedisServer, authority: Authority) -> None:
    """A Redis that asks for a certificate is shown the one that is named; without one it is not reached."""
    authority.signed("client")
    async with front(redis_server, authority.signed("redis"), authority) as port:
        assert await outcome(opened(tmp_path, port, OWN)) == ""
        assert "Redis" in await outcome(opened(tmp_path, port, "store_tls: {ca: ca/ca.pem}"))


async def test_plain_server(
    tmp_path: Path, redis_server: RedisServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis that speaks no TLS is asked nothing over it."""
    monkeypatch.setattr(redis, "ANSWERS_WITHIN_S", 0.05)
    said = await outcome(opened(tmp_path, redis_server.port, "store_tls: {ca: ca/ca.pem}"))
    assert "Redis" in said


@pytest.mark.parametrize("which", ["trusts", "logs"])
async def test_environment(
    which: str, tmp_path: Path, redis_server: RedisServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment names neither whom to trust nor where the secrets of a session are written."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    async with front(redis_server, authority.signed("redis")) as port:
        said = await outcome(opened(tmp_path, port, "" if which == "trusts" else "store_tls: {ca: ca/ca.pem}"))
    assert ("not trusted" in said) is (which == "trusts")
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize(
    ("tls", "error"),
    [
        ("store_tls: {ca: nowhere.pem}", "the store's CA cannot be read: file {folder}/nowhere.pem: No such file"),
        ("store_tls: {ca: ca/client.key}", "the store's CA cannot be read: file {folder}/ca/client.key"),
        ("store_tls: {certificate: nowhere.pem, key: ca/client.key}", "the store's certificate cannot be used: file"),
        ("store_tls: {certificate: ca/ca.pem, key: ca/client.key}", "the store's certificate cannot be used: file"),
        ("store_tls: {certificate: ca/client.pem, key: ca/client.pem}", "the store's certificate cannot be used: file"),
    ],
)
def test_files(tls: str, error: str, tmp_path: Path, authority: Authority) -> None:
    """A file that cannot be used ends the start, in words that name it."""
    authority.signed("client")
    with pytest.raises(StartRefused) as caught:
        opened(tmp_path, 1, tls)
    assert caught.value.error.startswith(error.format(folder=tmp_path))
    assert "PEM" in caught.value.hint


def test_passphrase(tmp_path: Path, authority: Authority) -> None:
    """A key with a passphrase ends the start at once: nobody is asked for it."""
    authority.signed("client", passphrase="words for a key")
    with pytest.raises(StartRefused, match="certificate cannot be used") as caught:
        opened(tmp_path, 1, OWN)
    assert "no passphrase" in caught.value.hint
