"""What a caveat may say: one grammar for each key, and nothing else."""

from __future__ import annotations

from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from breakers.caveats import fits, money, networks, read_caveat, resources
from config.faults import Unreadable
from config.money import Money

TASK = "support/01M7YZDQY12XJKES0GC4ZSQHB4"

GOOD = (
    f"t={TASK}", "a=support", "exp=1795262400", "nbf=1", "p=stripe", "p=stripe|github-eu", "r=refunds.*:rw|charges.*:r",
    "r=issues/create:w", "r=*:r", "m=GET", "m=GET|HEAD|POST", "max=50USD", "max=0.000001USD", "max=0JPY", "n=0",
    "n=999999999", "ip=10.0.0.0/8", "ip=192.0.2.7|2001:db8::/32", "peer=0", "peer=1000", "env=test", "appr=required",
)  # fmt: skip

BAD = (
    "", "=", "x=1", "T=1", "t", f"t={TASK}x", "t=support/2026-11-21", "t=/01M7YZDQY12XJKES0GC4ZSQHB4", "a=",
    "a=Support", "exp=", "exp=-1", "exp=1e9", "exp=01", "exp=99999999999", "exp=1795262400.0", "nbf=0", "p=",
    "p=stripe|", "p=*", "r=", "r=refunds.*", "r=:rw", "r=refunds.*:x", "r=refunds.*:wr", "r=refunds.*:rw|", "m=get",
    "m=GET,POST", "m=*",
    "max=50", "max=USD", "max=-1USD", "max=1e3USD", "max=50usd", "max=50 USD", "max=1.0000001USD", "max=50ZZZ",
    "max=99999999999USD", "n=", "n=-1", "n=1.5", "n=1000000000", "n=06", "ip=", "ip=10.0.0.1/8", "ip=localhost",
    "ip=10.0.0.0/33", "ip=10.0.0.1|", "peer=-1", "peer=root", "env=prod", "env=", "appr=", "appr=no",
    "appr=required|no", "p=stripe\n", "p=str\u00efpe", "r=re funds:r", f"r={'a' * 255}:r",
)  # fmt: skip


@pytest.mark.parametrize("text", GOOD)
def test_good(text: str) -> None:
    """A caveat of a known key and form is read as it stands."""
    caveat = read_caveat(text, "id")
    assert (f"{caveat.key}={caveat.value}", caveat.id) == (text, "id")


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_bad(text: str) -> None:
    """A caveat that nobody could hold a call against is none."""
    with pytest.raises(Unreadable):
        read_caveat(text)


def test_money_exact() -> None:
    """A sum is exact to the micro-unit, whatever its currency's own decimals are."""
    assert money("50USD") == Money(50_000_000, "USD")
    assert money("0.000001JPY") == Money(1, "JPY")


def test_networks() -> None:
    """An address is a network of one."""
    (one, many) = networks("192.0.2.7|10.0.0.0/8")
    assert (one.num_addresses, many.num_addresses) == (1, 2**24)


@pytest.mark.parametrize(
    ("value", "name", "reads", "writes"),
    [
        ("refunds.*:rw", "refunds.create", True, True),
        ("refunds.*:r", "refunds.create", True, False),
        ("refunds.*:w", "refunds.create", False, True),
        ("refunds.*:rw", "refundsx", False, False),
        ("*:r", "anything/at-all", True, False),
        ("issues/create:rw", "issues/create", True, True),
        ("issues/create:rw", "issues/create-comment", False, False),
        ("charges.*:r|refunds.create:rw", "refunds.create", True, True),
    ],
)
def test_resources(value: str, name: str, reads: bool, writes: bool) -> None:
    """An operation fits where its name does and what it does is allowed."""
    found = resources(value)
    assert any(one.fits((name,), writes=False) for one in found) is reads
    assert any(one.fits((name,), writes=True) for one in found) is writes


@given(st.text("ab*", max_size=8), st.text("ab", max_size=8))
def test_pattern_like_any_other(pattern: str, name: str) -> None:
    """A pattern means what it means to everybody else."""
    assert fits(pattern, name) is fnmatchcase(name, pattern)


def test_pattern_of_stars() -> None:
    """A pattern that is all stars is answered at once, however much there is to try."""
    assert not fits("*a" * 120 + "*b", "a" * 200)
