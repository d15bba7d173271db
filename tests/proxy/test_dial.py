"""Who may be dialled."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from aiohttp import ClientConnectorError, ClientSession
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from breakers.call import Fault
from proxy.dial import Dialer, is_public, tls_context
from proxy.exchange import fault_of

NOT_PUBLIC = (
    "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.1", "172.16.4.4", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "localhost", "2130706433", "0177.1", "",
)  # fmt: skip
PUBLIC = ("1.1.1.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101")


@pytest.mark.parametrize("host", NOT_PUBLIC)
def test_private_addresses(host: str) -> None:
    """An address that the internet does not route to one machine is never public, however it is spelled."""
    assert not is_public(host)


@pytest.mark.parametrize("host", PUBLIC)
def test_public_addresses(host: str) -> None:
    """An address of the internet is public, also inside an IPv6 spelling."""
    assert is_public(host)


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1"])
async def test_names_to_loopback(name: str, unused_tcp_port: int) -> None:
    """A name that leads to loopback is refused at the dial, before a connection is tried."""
    dialer = Dialer(list)
    async with ClientSession(connector=dialer.connector(name, unused_tcp_port, idle_s=1)) as session:
        with pytest.raises(Exception) as caught:  # what it is is asserted below
            await session.get(f"http://{name}:{unused_tcp_port}/")
    assert fault_of(caught.value, passed=False) is Fault.REFUSED_ADDRESS


@pytest.mark.parametrize("door", ["127.0.0.1", "0.0.0.0"])
async def test_own_door(door: str, unused_tcp_port: int) -> None:
    """A literal address that is a door of ours is refused, whatever address the door was bound as."""
    dialer = Dialer(lambda: [(door, unused_tcp_port)])
    async with ClientSession(connector=dialer.connector("127.0.0.1", unused_tcp_port, idle_s=1)) as session:
        with pytest.raises(ClientConnectorError) as caught:
            await session.get(f"http://127.0.0.1:{unused_tcp_port}/")
    assert fault_of(caught.value, passed=False) is Fault.REFUSED_ADDRESS


def authority(name: str) -> str:
    """
    Return the certificate of an authority of a test's own.
    """
    key, whose = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.OID_COMMON_NAME, name)])
    made = x509.CertificateBuilder(whose, whose, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(datetime.now(UTC)).not_valid_after(datetime.now(UTC) + timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def test_authorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's authorities are read once, and read again when their file is another."""
    file = tmp_path / "authorities.pem"
    places = SimpleNamespace(openssl_cafile=str(file), openssl_capath=str(tmp_path / "none"))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: places)

    def trusted() -> list[str]:
        return [ssl.DER_cert_to_PEM_cert(one) for one in tls_context().get_ca_certs(binary_form=True)]

    first, second = authority("the first"), authority("the second")
    assert trusted() == []
    file.write_text(first)
    assert trusted() == [first]
    assert tls_context() is tls_context()
    file.write_text(first + second)
    assert trusted() == [first, second]
