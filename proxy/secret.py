"""
A credential as a value that redacts itself: in `repr`, in a log, in a dump, in an exception.

Its text is read in one way only, `reveal`, which the code search of a reviewer finds.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from proxy.errors import StartRefused

if TYPE_CHECKING:  # a command that only asks loads no models of the configuration
    from config.settings import CredentialSource
    from config.store import PasswordSource

CREDENTIAL_BYTES_MAX = 4096
"""No vendor's key comes near this; a larger file is the wrong file."""


class Secret:
    """
    A credential's text. It has no equality, no pickle and no other spelling than `***`.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """
        Return the text, for the one header that it belongs into.
        """
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not leave its process")


def read_credential(api: str, source: CredentialSource, environ: Mapping[str, str]) -> Secret:
    """
    Read an API account's credential from the environment or a file, as the configuration says.

    Raise `StartRefused` naming the API and the place, never the content, where there is none that could be a header.
    """
    whose = f"the credential of API '{api}'"
    if source.env is not None:
        place, text = f"environment variable {source.env}", environ.get(source.env, "")
    else:
        place, text = f"file {source.file}", read_secret_file(Path(str(source.file)), whose)
    return with_user(admit_secret(text, whose, place), source.user)


def admit_secret(text: str, whose: str, place: str, hint: str = "set it, or name another place in apis") -> Secret:
    """
    Return a text that somebody gave as a secret, without the space around it.

    Raise `StartRefused` naming whose it is and where it came from, never the content, where it could be no header.
    """
    text = text.strip()
    if not text:
        raise StartRefused(f"{whose} is empty: {place}", hint)
    if not (text.isascii() and text.isprintable()) or " " in text or len(text) > CREDENTIAL_BYTES_MAX:
        hint = f"it must be one line of printable ASCII without spaces, at most {CREDENTIAL_BYTES_MAX} bytes"
        raise StartRefused(f"{whose} cannot be sent in a header: {place}", hint)
    return Secret(text)


def read_secret(source: PasswordSource, environ: Mapping[str, str], whose: str, setting: str) -> Secret:
    """
    Read what is kept in the environment or in a file, as the setting of this name says.

    Raise `StartRefused` naming whose it is and the place, never the content, where it cannot be used.
    """
    hint = f"set it, or name another place in {setting}"
    if source.env is not None:
        return admit_secret(environ.get(source.env, ""), whose, f"environment variable {source.env}", hint)
    assert source.file is not None
    return admit_secret(read_secret_file(source.file, whose), whose, f"file {source.file}", hint)


def with_user(secret: Secret, user: str | None) -> Secret:
    """
    Return a credential with its other half, where an API takes a name and a token.
    """
    return secret if user is None else Secret(f"{user}:{secret.reveal()}")


def read_secret_file(path: Path, whose: str) -> str:
    """
    Return the text of a file that holds a secret and nothing else.

    Raise `StartRefused` naming whose it is and the path where it cannot be read or is no text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        hint = "check the path and its permissions; it is read as the user that runs Breakwater"
        raise StartRefused(f"{whose} is unreadable: file {path}: {error.strerror}", hint) from None
    try:
        return raw[: CREDENTIAL_BYTES_MAX + 2].decode("ascii")
    except UnicodeDecodeError:
        raise StartRefused(f"{whose} is not text: file {path}") from None


def spell_credential(scheme: str, secret: Secret) -> str:
    """
    Return the value of the header that carries a credential: scheme `bearer`, `token` or `basic`.
    """
    text = secret.reveal()
    if scheme == "basic":
        pair = text if ":" in text else f"{text}:"
        return "Basic " + base64.b64encode(pair.encode()).decode()
    return {"bearer": "Bearer ", "token": "token "}[scheme] + text
