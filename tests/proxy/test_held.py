"""What a call holds is one version, whatever follows it, and everything that the account knew is hidden."""

from __future__ import annotations

import base64
import gc
from collections.abc import Callable
from urllib.parse import quote

import pytest

from config.dialect import Credential
from proxy.errors import StartRefused
from proxy.held import HIDDEN_MAX, Holder
from proxy.secret import Secret

TEXT = 'upstream/secret+canary="1'


def holder(*texts: str, scheme: str = "bearer") -> Holder:
    """
    Return a holder that was turned to each text in turn.
    """
    made = Holder(Credential.model_validate({"scheme": scheme}))
    for number, text in enumerate(texts, 1):
        made.turn([(f"stripe@{number}", Secret(text))])
    return made


def test_held_stays() -> None:
    """A version that was taken is spelled as it was after any number of turns; the next call takes the new one."""
    here = holder("first-version")
    taken = here.current()
    here.turn([("stripe@2", Secret("second-version"))])
    assert (taken.ref, taken.header()) == ("stripe@1", ("Authorization", "Bearer first-version"))
    assert (here.current().ref, here.current().header()[1]) == ("stripe@2", "Bearer second-version")


def test_same_version_is_one() -> None:
    """A turn that leaves the current version leaves what calls take."""
    here = holder("first-version")
    before = here.current()
    here.turn([("stripe@1", Secret("first-version")), ("stripe@0", Secret("older-version"))])
    assert here.current() is before


def test_before_it_is_open() -> None:
    """Before there is a version nothing is sent."""
    with pytest.raises(StartRefused):
        holder().current()


def test_repr() -> None:
    """Neither what is held nor its holder shows more than the version's name."""
    here = holder(TEXT)
    assert (repr(here.current()), repr(here)) == ("Held(stripe@1)", "Holder(Held(stripe@1))")
    assert not hasattr(here.current(), "__dict__")


@pytest.mark.parametrize("scheme", ["bearer", "basic", "token"])
@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text,
        lambda text: quote(text, safe=""),
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"{text}:".encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: text.encode().hex().upper(),
        lambda text: text.replace('"', '\\"'),
    ],
    ids=["plain", "url", "base64", "basic", "hex", "HEX", "json"],
)
@pytest.mark.parametrize("length", range(20, 26))
def test_spellings(spell: Callable[[str], str], scheme: str, length: int) -> None:
    """Every spelling of a credential is overwritten, whatever its length."""
    text = TEXT[-length:]
    here = holder(text, scheme=scheme)
    echo = spell(text)
    cleaned = here.scrubber.clean(f"<{echo}>".encode()).decode()
    assert set(cleaned[1:-1].rstrip("=")) == {"*"}
    assert len(cleaned) == len(echo) + 2
    assert here.current().header()[1].split(" ")[-1].encode() not in here.scrubber.clean(
        here.current().header()[1].encode()
    )


def test_hidden_as_long_as_held() -> None:
    """A version is hidden as long as a call holds it and for some turns more, and not forever."""
    here = holder("version-number-0")
    taken = here.current()
    for number in range(1, 3 * HIDDEN_MAX):
        here.turn([(f"stripe@{number + 1}", Secret(f"version-number-{number}"))])
    assert here.scrubber.clean(b"version-number-0") == b"*" * 16
    assert here.scrubber.clean(b"version-number-1") == b"version-number-1"
    newest = 3 * HIDDEN_MAX - 1
    for number in range(newest - HIDDEN_MAX + 1, newest + 1):
        assert b"version" not in here.scrubber.clean(f"version-number-{number}".encode())
    del taken
    gc.collect()
    here.turn([("stripe@99", Secret("version-number-99"))])
    assert here.scrubber.clean(b"version-number-0") == b"version-number-0"


def test_stream_learns() -> None:
    """A stream that has begun hides what is turned to while it runs."""
    here = holder("first-version")
    stream = here.current().scrubber.stream()
    out = stream.feed(b"first-version ")
    here.turn([("stripe@2", Secret("a-second-and-longer-version"))])
    out += stream.feed(b"a-second-and-") + stream.feed(b"longer-version") + stream.flush()
    assert set(out) <= set(b"* ")
