"""How long each part of an exchange may take, exactly, and what a peer's certificate must be."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from yarl import URL

from breakers.call import Fault
from proxy.dial import Dialer
from proxy.errors import Broken
from proxy.exchange import Budget, Exchange, Gate
from proxy.wire import Wire
from tests.ledger.world import held

Peer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
TOLERANCE_S = 0.25
"""What two busy cores may add; aiohttp's own rounding up would add most of a second to 5.3."""


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Take the request and say nothing."""
    await reader.read()


async def stalling(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Begin an answer and stop."""
    writer.write(HEAD + b"x")
    await reader.read()


async def dripping(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a byte at a time, for ever."""
    writer.write(HEAD)
    while not writer.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(peer: Peer, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """
    Serve a peer on loopback and yield its port.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await peer(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def broken_by(port: int, budget: Budget, scheme: str = "http") -> tuple[Fault, bool, float]:
    """
    Carry one exchange to where it breaks: the fault, whether the gate was passed, and after how many seconds.
    """
    loop, gate = asyncio.get_running_loop(), Gate()
    async with Dialer(list).pool(URL(f"{scheme}://127.0.0.1:{port}"), None, idle_s=1) as pool:
        exchange = Exchange(pool, Wire("GET", "/v1/x", (), b"", held()), budget, gate)
        began = loop.time()
        with pytest.raises(Broken) as caught:
            await exchange.open()
            async for _ in exchange.chunks():
                pass
        exchange.close()
        return caught.value.fault, gate.passed, loop.time() - began


PARTS = {
    "first byte": (silent, Budget(9, 0.31, 9, 9), 0.31),
    "idle": (stalling, Budget(9, 9, 0.31, 9), 0.31),
    "total, dripping": (dripping, Budget(9, 9, 9, 0.31), 0.31),
    "total before the first byte": (silent, Budget(9, 9, 9, 0.31), 0.31),
    "not rounded up": (silent, Budget(9, 5.3, 9, 9), 5.3),
}


@pytest.mark.slow
@pytest.mark.parametrize(("peer", "budget", "seconds"), PARTS.values(), ids=PARTS)
async def test_part(peer: Peer, budget: Budget, seconds: float) -> None:
    """A part of an exchange that takes longer than its time ends then, and what was sent may have had its effect."""
    async with listening(peer) as port:
        fault, passed, took = await broken_by(port, budget)
    assert (fault, passed) == (Fault.TIMEOUT, True)
    assert seconds - 0.02 <= took <= seconds + TOLERANCE_S


@pytest.mark.slow
async def test_connect() -> None:
    """A handshake that does not come to an end in the time for connecting ends with nothing sent."""
    async with listening(silent) as port:
        fault, passed, took = await broken_by(port, Budget(0.31, 9, 9, 9), "https")
    assert (fault, passed) == (Fault.CONNECT, False)
    assert 0.29 <= took <= 0.31 + TOLERANCE_S


def certificate(folder: Path, *, name: str, days: int = 1) -> tuple[ssl.SSLContext, Path]:
    """
    Return a server's context with a certificate that it signed itself, and the certificate's file.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    alternative: x509.GeneralName = x509.DNSName(name)
    if name[0].isdigit():
        alternative = x509.IPAddress(ipaddress.ip_address(name))
    begin = datetime.now(UTC) - timedelta(days=10)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=10 + days))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path, key_path = folder / "certificate.pem", folder / "key.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    key_path.write_bytes(key.private_bytes(*encoding))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key_path)
    return context, path


CERTIFICATES = {"self-signed": ("127.0.0.1", 1), "wrong name": ("other.example", 1), "expired": ("127.0.0.1", -5)}


@pytest.mark.parametrize("trusted", [False, True])
@pytest.mark.parametrize(("name", "days"), CERTIFICATES.values(), ids=CERTIFICATES)
async def test_certificate(
    name: str, days: int, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A certificate that the system does not vouch for ends the handshake, whatever SSL_CERT_FILE says."""
    context, path = certificate(tmp_path, name=name, days=days)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
    async with listening(silent, context) as port:
        fault, passed, _ = await broken_by(port, Budget(5, 5, 5, 5), "https")
    assert (fault, passed) == (Fault.TLS, False)


async def test_plain_bytes_on_tls() -> None:
    """A peer that does not speak TLS where it should ends the handshake with nothing sent."""
    async with listening(dripping) as port:
        fault, passed, _ = await broken_by(port, Budget(5, 5, 5, 5), "https")
    assert (fault, passed) == (Fault.TLS, False)
