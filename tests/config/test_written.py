from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.faults import Unreadable
from config.written import (
    Address,
    Origin,
    UnixSocket,
    read_address,
    read_duration,
    read_host,
    read_name,
    read_origin,
    read_size,
    read_text,
    read_web_origin,
    write_duration,
)


@given(st.integers(1, 10**8))
def test_duration_round_trip(millis: int) -> None:
    """A duration that is printed reads back as the same."""
    assert round(read_duration(write_duration(millis / 1000)) * 1000) == millis


@pytest.mark.parametrize(
    ("read", "written", "value"),
    [
        (read_duration, "250ms", 0.25),
        (read_duration, "5s", 5.0),
        (read_duration, "15m", 900.0),
        (read_duration, "1h", 3600.0),
        (read_duration, "1d", 86_400.0),
        (read_size, 1024, 1024),
        (read_size, "64KiB", 65_536),
        (read_size, "1MiB", 2**20),
        (read_size, "2GiB", 2**31),
        (read_size, "7B", 7),
        (read_name, "support_refund-agent2", "support_refund-agent2"),
        (read_text, "Europe/Madrid", "Europe/Madrid"),
        (read_address, "127.0.0.1:0", Address("127.0.0.1", 0)),
        (read_address, "[::1]:8001", Address("::1", 8001)),
        (read_address, "[0:0::1]:8001", Address("::1", 8001)),
        (read_origin, "https://api.example.com", Origin("https", "api.example.com", 443, literal=False)),
        (read_origin, "https://API.example.com:8443", Origin("https", "api.example.com", 8443, literal=False)),
        (read_origin, "http://127.0.0.1:8000", Origin("http", "127.0.0.1", 8000, literal=True)),
        (read_origin, "http://[::1]:8000", Origin("http", "::1", 8000, literal=True)),
        (read_origin, "https://10.0.0.8", Origin("https", "10.0.0.8", 443, literal=True)),
        (read_origin, "unix:/run/api.sock", UnixSocket("/run/api.sock")),
        (read_web_origin, "http://api.example.com", Origin("http", "api.example.com", 80, literal=False)),
        (read_web_origin, "http://localhost:3000", Origin("http", "localhost", 3000, literal=False)),
        (read_address, "unix:run/a b.sock", UnixSocket("run/a b.sock")),
        (read_host, "stripe.meter_events.internal", "stripe.meter_events.internal"),
    ],
)
def test_read(read: Callable[[object], object], written: object, value: object) -> None:
    """What is written as it should be is read as what it says."""
    assert read(written) == value


@pytest.mark.parametrize(
    ("read", "written", "message", "hint"),
    [
        (read_duration, 5, "`5` is not a duration", "`5s`"),
        (read_duration, "5", "not a duration", "`5s`"),
        (read_duration, "0s", "more than nothing", "1ms"),
        (read_duration, "-5s", "not a duration", "`5s`"),
        (read_duration, "1.5s", "not a duration", "250ms"),
        (read_duration, "5 s", "not a duration", ""),
        (read_duration, "5S", "not a duration", ""),
        (read_duration, None, "not a duration", ""),
        (read_duration, "9999999999s", "not a duration", ""),
        (read_size, "1MB", "not a size", "`1MiB`"),
        (read_size, "1mib", "not a size", "`1MiB`"),
        (read_size, True, "not a size", ""),
        (read_size, "1.5MiB", "not a size", ""),
        (read_name, "Jira", "`Jira` is not a name", "small letters"),
        (read_name, "a}{b", "not a name", ""),
        (read_name, "", "not a name", ""),
        (read_name, "-a", "not a name", "no sign first"),
        (read_name, "a" * 64, "not a name", "63"),
        (read_name, "a.b", "not a name", ""),
        (read_name, "é", "not a name", ""),
        (read_name, "a\n", "not a name", ""),
        (read_text, 5, "must be text", '"5"'),
        (read_text, "", "not blank", ""),
        (read_text, "  ", "not blank", ""),
        (read_text, "a\nb", "one line", ""),
        (read_text, "a\x1b[2J", "one line", ""),
        (read_address, 8080, "address and a port", "`127.0.0.1:8080`"),
        (read_address, "8080", "no address and port", "127.0.0.1:8001"),
        (read_address, ":8080", "no IP address", "`127.0.0.1:8080`"),
        (read_address, "localhost:80", "`localhost` is no IP address", "`127.0.0.1:80`"),
        (read_address, "::1:80", "no IP address", ""),
        (read_address, "[127.0.0.1]:80", "no IP address", ""),
        (read_address, "127.0.0.1:65536", "no address and port", ""),
        (read_address, "127.0.0.1:080", "no address and port", ""),
        (read_address, "127.1:80", "no IP address", ""),
        (read_address, "unix:", "a socket's path", "`unix:/run/breakwater/stripe.sock`"),
        (read_address, "unix:/run/", "a socket's path", ""),
        (read_address, "unix:/run/a\nb", "a socket's path", ""),
        (read_address, "unix:@stripe", "no owner and no mode", "path of a file"),
        (read_host, "stripe.internal:80", "is no host", "without a port"),
        (read_host, "Stripe.internal", "is no host", "small letters"),
        (read_host, "stripe.internal.", "is no host", ""),
        (read_host, "stripe/internal", "is no host", ""),
        (read_host, "", "is no host", ""),
        (read_web_origin, "https://example.com/v1", "without a path", ""),
        (read_web_origin, "https://user@example.com", "no user", ""),
        (read_web_origin, "unix:/run/x", "origin of http or https", ""),
        (read_web_origin, "https://exa_mple.com", "is no host", ""),
        (read_origin, "api.example.com", "origin of http or https", "https://api.example.com"),
        (read_origin, "ftp://example.com", "origin of http or https", ""),
        (read_origin, "HTTPS://example.com", "origin of http or https", ""),
        (read_origin, "https://example.com/", "without a path", "`https://example.com`"),
        (read_origin, "https://example.com/v1", "without a path", "`https://example.com`"),
        (read_origin, "https://example.com?x", "without a path", ""),
        (read_origin, "https://example.com#x", "without a path", ""),
        (read_origin, "https://example.com\\x", "without a path", ""),
        (read_origin, "https://user:pass@example.com", "no user", "credential"),
        (read_origin, "https://", "is no host", ""),
        (read_origin, "https://exa mple.com", "is no host", ""),
        (read_origin, "https://exämple.com", "origin of http or https", ""),
        (read_origin, "https://example.com.", "is no host", ""),
        (read_origin, "https://-x.com", "is no host", ""),
        (read_origin, "https://[::1", "cannot be read", ""),
        (read_origin, "https://[fe80::1%25eth0]", "is no host", ""),
        (read_origin, "https://example.com:0", "from 1 to 65535", ""),
        (read_origin, "https://example.com:", "from 1 to 65535", ""),
        (read_origin, "https://example.com:99999", "cannot be read", ""),
        (read_origin, "http://2130706433", "address in disguise", "127.0.0.1"),
        (read_origin, "http://0x7f000001", "address in disguise", ""),
        (read_origin, "http://127.1", "address in disguise", ""),
        (read_origin, "http://localhost:8000", "never dialled at a loopback", "`http://127.0.0.1:8000`"),
        (read_origin, "http://api.example.com", "in the clear", "`https://api.example.com`"),
        (read_origin, "unix:", "a socket's path", ""),
        (read_origin, 5, "is text", ""),
    ],
)
def test_refused(read: Callable[[object], object], written: object, message: str, hint: str) -> None:
    """What is written otherwise is refused with the right spelling."""
    with pytest.raises(Unreadable) as refused:
        read(written)
    assert message in refused.value.message
    assert hint in refused.value.hint


@pytest.mark.parametrize(
    "text", ["https://api.example.com", "http://127.0.0.1:8000", "http://[::1]:81", "http://10.0.0.1"]
)
def test_origin_text(text: str) -> None:
    """An origin prints as it was written."""
    assert str(read_origin(text)) == text
