"""Where a URL begins: exactly there, in a few spellings, and nowhere that only looks like it."""

from __future__ import annotations

import pytest

from proxy.origins import NOWHERE, Places

VENDOR = Places(
    [
        ("https://api.github.com", "http://127.0.0.1:8001"),
        ("https://uploads.github.com", "http://127.0.0.1:8002"),
        ("http://127.0.0.1:12111", "http://127.0.0.1:8001"),
        ("http://[::1]:12112", "http://127.0.0.1:8001"),
    ]
)
DOORS = Places(
    [
        ("http://box:8000/github", "https://api.github.com"),
        ("http://box:8000/github.uploads", "https://uploads.github.com"),
        ("http://box:8000/github", "https://second.example"),
    ]
)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("https://api.github.com", "http://127.0.0.1:8001"),
        ("https://api.github.com/", "http://127.0.0.1:8001/"),
        ("https://api.github.com/repos/a/b?x=1#y", "http://127.0.0.1:8001/repos/a/b?x=1#y"),
        ("https://api.github.com?x", "http://127.0.0.1:8001?x"),
        ("https://api.github.com#x", "http://127.0.0.1:8001#x"),
        ("https://api.github.com{/owner}", "http://127.0.0.1:8001{/owner}"),
        ("https://api.github.com/repos{/owner}{?q}", "http://127.0.0.1:8001/repos{/owner}{?q}"),
        ("https://uploads.github.com/a{?name,label}", "http://127.0.0.1:8002/a{?name,label}"),
        ("HTTPS://API.GitHub.com/A", "http://127.0.0.1:8001/A"),
        ("https://api.github.com:443/x", "http://127.0.0.1:8001/x"),
        ("https://api.github.com:/x", "http://127.0.0.1:8001/x"),
        ("https://api.github.com:00443/x", "http://127.0.0.1:8001/x"),
        ("http://api.github.com/x", "http://127.0.0.1:8001/x"),
        ("http://api.github.com:80/x", "http://127.0.0.1:8001/x"),
        ("//api.github.com/x", "http://127.0.0.1:8001/x"),
        ("http://127.0.0.1:12111/v1", "http://127.0.0.1:8001/v1"),
        ("https://127.0.0.1:12111/v1", "http://127.0.0.1:8001/v1"),
        ("http://[::1]:12112/v1", "http://127.0.0.1:8001/v1"),
        ("https://api.github.com/a%20b/ü/日本", "http://127.0.0.1:8001/a%20b/ü/日本"),
        ("https://api.github.com//x/../y", "http://127.0.0.1:8001//x/../y"),
    ],
)
def test_known(text: str, wanted: str) -> None:
    """A text that is wholly a URL at a known place gets the other beginning, and nothing else changes."""
    assert VENDOR.swapped(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "", "/", "//", "http", "http:", "https://", "https:///x", "api.github.com/x", "/repos/a", "ftp://api.github.com/",
        "https://api.github.com.evil/x", "https://api.github.com@evil/x", "https://evil@api.github.com/x",
        "https://api.github.com:8443/x", "https://api.github.com:444443/x", "https://api.github.com:443x/",
        "https://api.github.com./x", "https://api.github.co/x", "https://api.github.commons/x", "https://apixgithub.com/",
        "https://evil/https://api.github.com/x", "https://evil#https://api.github.com", "https:api.github.com/x",
        "https:/api.github.com/x", "https://api.github.com\\@evil/x", "https://api.github.com\\x",
        "https:\\\\api.github.com",
        "http://127.0.0.1/v1", "http://127.0.0.1:121111/", "http://127.0.0.1:1211/", "http://[::1]/", "http://[::2]:12112/",
        " https://api.github.com/x", "https://api.github.com/x ", "https://api.github.com/x y", "https://api.github.com/x\n",
        "https://api.github.com/x\u3000y", "https://api.github.com/x\u2028", "https://api.github.com/\x00",
        "see https://api.github.com/x",
        "https://api.github.com/x\x85", "<https://api.github.com/x>", "https://api.github.com/x>", 'https://api.github.com/"x"',
        "`https://api.github.com/x`", "https://api.github.com/`x", "(https://api.github.com/x)", "https://api.\u0261ithub.com/x",
        "http\u017f://api.github.com/x",
    ],
)  # fmt: skip
def test_unknown(text: str) -> None:
    """Another place, however alike, and a text that is more than a URL stay as they are."""
    assert VENDOR.swapped(text) == text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://box:8000/github/repos", "https://api.github.com/repos"),
        ("http://BOX:8000/github", "https://api.github.com"),
        ("http://box:8000/github?x", "https://api.github.com?x"),
        ("http://box:8000/github{/x}", "https://api.github.com{/x}"),
        ("http://box:8000/github.uploads/a", "https://uploads.github.com/a"),
        ("http://box:8000/githubs/a", None),
        ("http://box:8000/GitHub/a", None),
        ("http://box:8000/", None),
        ("http://box/github/", None),
    ],
)
def test_prefix(text: str, wanted: str | None) -> None:
    """A place may have a path, which is met to a boundary and in its own case; the first row of a place holds."""
    assert DOORS.swapped(text) == (wanted or text)


def test_exact_first() -> None:
    """Where both schemes of a host are known, each is its own place."""
    both = Places([("https://api.example", "http://one"), ("http://api.example", "http://two")])
    assert [both.swapped(f"{scheme}://api.example/x") for scheme in ("https", "http")] == [
        "http://one/x",
        "http://two/x",
    ]


def test_nowhere() -> None:
    """A table without rows changes nothing."""
    assert NOWHERE.swapped("https://api.github.com/x") == "https://api.github.com/x"


def test_no_place() -> None:
    """A row that is no place is a fault of the program, not a row that never matches."""
    with pytest.raises(ValueError, match="no place"):
        Places([("unix:/run/x", "http://one")])
