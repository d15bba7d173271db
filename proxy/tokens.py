"""
Task tokens: text that an agent shows in the place of a key, and that whoever holds it can narrow, but not widen.

    [rk_]bw1_KID_base64url(nonce, 16 bytes | caveats, each behind its length in one byte | tag, 32 bytes)

    tag of the nonce:     HMAC(key KID of the ring, "bw1" 00 KID 00 nonce)
    tag of each caveat:   HMAC(the tag before it, the caveat)

Only the last tag is in the text. Whoever has it can add a caveat, and nobody can take one away: the tag before it would
be needed. The first three caveats are a task, its agent and a time (`t`, `a`, `exp`), in this order, and a token
without them is none, whatever its tag says. What any caveat does not allow is refused, so that more of them allow less.

The form fits where SDKs put an API key: no dots, for some take three dotted parts for a JWT, and with `rk_` before it
where one asks for that; the prefix says nothing and is not under the tag. The nonce names the token as it was made, the
tag of each further caveat the token as it was narrowed: under these ids it is revoked and counted. The text is stored
nowhere, and what was once verified is found again by its digest.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from breakers.caveats import FIRST, Caveat, agent_of, moment, read_caveat
from config.faults import Unreadable
from proxy.clock import Randomness
from proxy.ledger.keyring import TOKENS, KeyRing

NONCE_BYTES, TAG_BYTES = 16, 32

TOKEN_CHARACTERS_MAX = 512
"""Of the whole text: with a user's name in Basic it is still well inside what HTTP servers take in one header."""

VERIFIED_MAX = 4_096
"""Tokens that are known to be authentic: as many as may be in use at once, at half a kilobyte each."""

ID_LENGTH = 16
"""80 bits in base 32: nobody meets the id of another token by chance."""

_FORM = re.compile(r"(?P<prefix>rk_)?bw1_(?P<kid>[a-z0-9]{1,8})_(?P<body>[A-Za-z0-9_-]+)")
_VERSION = re.compile(r"[1-9][0-9]{0,7}")
_NO_KEY = bytes(TAG_BYTES)


@dataclass(frozen=True, slots=True)
class Written:
    """
    A token as its text says it; whether that is true is another question.
    """

    prefix: str
    kid: str
    nonce: bytes
    caveats: tuple[bytes, ...]
    tag: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """
        Return the id of the token as it was made, before anybody narrowed it.
        """
        return _id(self.nonce)

    @property
    def said(self) -> tuple[str, ...]:
        """
        Return the caveats as text, whatever they hold.
        """
        return tuple(caveat.decode("ascii", "backslashreplace") for caveat in self.caveats)

    def spelled(self) -> str:
        """
        Return the text.
        """
        listed = b"".join(bytes([len(caveat)]) + caveat for caveat in self.caveats)
        body = base64.urlsafe_b64encode(self.nonce + listed + self.tag).decode().rstrip("=")
        return f"{self.prefix}bw1_{self.kid}_{body}"


@dataclass(frozen=True, slots=True)
class Token:
    """
    An authentic token: its task and agent, when it is valid, and what it was narrowed to.

    `ids` are those of every stage: as it was made, and as each caveat behind the first three left it.
    """

    task: str
    agent: str
    ids: tuple[str, ...]
    caveats: tuple[Caveat, ...]
    expires_at: datetime
    begins_at: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """
        Tell whether it is valid by time alone.
        """
        return at < self.expires_at and (self.begins_at is None or self.begins_at <= at)


class Tokens:
    """
    Makes tokens under the ring's key, and tells which text is one.
    """

    def __init__(self, ring: KeyRing, randomness: Randomness) -> None:
        self._ring, self._randomness = ring, randomness
        self._verified: OrderedDict[bytes, Token] = OrderedDict()

    def __repr__(self) -> str:
        return f"Tokens({len(self._verified)} verified)"

    def mint(self, task: str, until: datetime, caveats: Sequence[str] = (), prefix: str = "") -> Written:
        """
        Make a token of a task that is valid until then, to the second, narrowed by these caveats.

        Raise `Unreadable` for a caveat that could not be kept, and where it becomes too long.
        """
        kid, nonce = str(self._ring.current), self._randomness(NONCE_BYTES)
        first = (f"t={task}", f"a={agent_of(task)}", f"exp={int(until.timestamp())}")
        tag = _first_tag(self._ring.key(TOKENS), kid, nonce)
        token = Written(prefix, kid, nonce, (), tag)
        for caveat in (*first, *caveats):
            token = narrowed(token, caveat)
        return token

    def verify(self, text: str) -> Token | None:
        """
        Return the token of a text, or None for what is none: malformed, forged, or with a caveat that nobody knows.
        """
        form = _FORM.fullmatch(text) if len(text) <= TOKEN_CHARACTERS_MAX else None
        if form is None:
            return None
        known = hashlib.sha256(text[form.start("kid") :].encode()).digest()
        found = self._verified.get(known)
        if found is not None:
            self._verified.move_to_end(known)
            return found
        written = read_token(text)
        token = self._authentic(written) if written is not None else None
        if token is not None:
            self._verified[known] = token
            if len(self._verified) > VERIFIED_MAX:
                self._verified.popitem(last=False)
        return token

    def _authentic(self, written: Written) -> Token | None:
        known = _VERSION.fullmatch(written.kid) is not None and int(written.kid) in self._ring.versions
        # One of a key that there is not takes as long as a forged one.
        tag = _first_tag(self._ring.key(TOKENS, int(written.kid)) if known else _NO_KEY, written.kid, written.nonce)
        tags = []
        for caveat in written.caveats:
            tag = _next_tag(tag, caveat)
            tags.append(tag)
        if not hmac.compare_digest(tag, written.tag) or not known:
            return None
        try:
            staged = zip(written.caveats, tags, strict=True)
            return _token(written, [read_caveat(caveat.decode("ascii"), _id(tag)) for caveat, tag in staged])
        except ValueError:
            return None


def read_token(text: str) -> Written | None:
    """
    Return what a text says as a token, without asking whether it is true; None for what is not shaped like one.
    """
    form = _FORM.fullmatch(text) if len(text) <= TOKEN_CHARACTERS_MAX else None
    if form is None:
        return None
    body = form["body"]
    try:
        raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    except binascii.Error:
        return None
    # Bits that no decoder reads would give one token several texts.
    if base64.urlsafe_b64encode(raw).decode().rstrip("=") != body or len(raw) < NONCE_BYTES + TAG_BYTES:
        return None
    caveats = _split(raw[NONCE_BYTES:-TAG_BYTES])
    if caveats is None:
        return None
    return Written(form["prefix"] or "", form["kid"], raw[:NONCE_BYTES], caveats, raw[-TAG_BYTES:])


def narrowed(token: Written, caveat: str) -> Written:
    """
    Return a token with one more caveat; whoever has its text can do it, and no key is needed.

    Raise `Unreadable` for a caveat under which nothing would pass, and where the token becomes too long.
    """
    read_caveat(caveat)
    raw = caveat.encode("ascii")
    longer = Written(token.prefix, token.kid, token.nonce, (*token.caveats, raw), _next_tag(token.tag, raw))
    if len(longer.spelled()) > TOKEN_CHARACTERS_MAX:
        hint = "narrow it by fewer or shorter caveats"
        raise Unreadable(f"the token would be longer than {TOKEN_CHARACTERS_MAX} characters", hint)
    return longer


def _token(written: Written, caveats: list[Caveat]) -> Token | None:
    """
    Return what authentic caveats come to; None where they cannot all hold, or do not begin as every token does.
    """
    if tuple(caveat.key for caveat in caveats[: len(FIRST)]) != FIRST:
        return None
    values = {key: {caveat.value for caveat in caveats if caveat.key == key} for key in ("t", "a")}
    task, agent = caveats[0].value, caveats[1].value
    if values != {"t": {task}, "a": {agent}} or agent_of(task) != agent:
        return None
    begins = [moment(caveat.value) for caveat in caveats if caveat.key == "nbf"]
    return Token(
        task=task,
        agent=agent,
        ids=(written.id, *(caveat.id for caveat in caveats[len(FIRST) :])),
        caveats=tuple(caveats),
        expires_at=min(moment(caveat.value) for caveat in caveats if caveat.key == "exp"),
        begins_at=max(begins, default=None),
    )


def _split(listed: bytes) -> tuple[bytes, ...] | None:
    """
    Return caveats from behind one another; None where a length points beyond the end, or at nothing.
    """
    caveats: list[bytes] = []
    at = 0
    while at < len(listed):
        end = at + 1 + listed[at]
        if listed[at] == 0 or end > len(listed):
            return None
        caveats.append(listed[at + 1 : end])
        at = end
    return tuple(caveats)


def _first_tag(key: bytes, kid: str, nonce: bytes) -> bytes:
    return hmac.digest(key, b"bw1\x00" + kid.encode() + b"\x00" + nonce, "sha256")


def _next_tag(tag: bytes, caveat: bytes) -> bytes:
    return hmac.digest(tag, caveat, "sha256")


def _id(named: bytes) -> str:
    return base64.b32encode(hashlib.sha256(b"bw/tid\x00" + named).digest()).decode()[:ID_LENGTH].lower()
