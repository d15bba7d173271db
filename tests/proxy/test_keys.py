"""Agents' own keys."""

from __future__ import annotations

from proxy.keys import AgentKey, Keys, make_key


def counting(count: int) -> bytes:
    """
    Return bytes that are not random at all.
    """
    return bytes(range(count))


def test_minted_key_is_found() -> None:
    """A minted key is found by its text, and its text is stored nowhere."""
    key, text = make_key("refunds", counting)
    keys = Keys()
    keys.minted(key)
    assert keys.find(text) == key
    assert text not in repr(keys) + repr(key)


def test_other_texts_are_unknown() -> None:
    """A key with one other character, another id, no secret, or nothing is unknown."""
    key, text = make_key("refunds", counting)
    keys = Keys()
    keys.minted(key)
    wrong = (text[:-1] + "z", text + "a", text.upper(), f"bwk_{key.kid}_", f"bwk_{key.kid}", "bwk_", "", "bwk__x")
    assert [keys.find(other) for other in wrong] == [None] * len(wrong)


def test_revoked_key_is_unknown() -> None:
    """A revoked key is unknown from then on, and minting it again in a replay does not bring it back."""
    key, text = make_key("refunds", counting)
    keys = Keys()
    keys.minted(key)
    keys.revoked(key.kid)
    keys.minted(AgentKey(key.kid, key.agent, key.digest))
    keys.revoked("no such key")
    assert keys.find(text) is None
