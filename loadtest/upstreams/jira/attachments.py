"""
Attachments: files that arrive as multipart forms, and only from those who say that they are no browser.

The file itself is behind a redirect, as Jira's are; `redirect=false` answers with it straight away.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from urllib.parse import unquote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.jira import issue_shapes as shapes
from loadtest.upstreams.jira.account import Attachment
from loadtest.upstreams.jira.asked import Asked
from loadtest.upstreams.jira.errors import JiraError
from loadtest.upstreams.jira.said import said, silence

_UPLOAD_LIMIT = 10 << 20

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="([^"]*)"')
_FILENAME_CODED = re.compile(r"\bfilename\*=utf-8''([^;\s]+)", re.IGNORECASE)
_TYPE = re.compile(r"^content-type:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Upload:
    """
    A file in a form.
    """

    filename: str
    mime_type: str
    data: bytes


def read_uploads(content_type: str, body: bytes) -> list[Upload]:
    """
    Return the files under the name `file` in a multipart form.
    """
    boundary = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or boundary is None:
        raise JiraError(415, "Unsupported Media Type")
    found: list[Upload] = []
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:]:
        if part.startswith(b"--"):
            return found
        head, empty, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        name, coded, plain = _NAME.search(text), _FILENAME_CODED.search(text), _FILENAME.search(text)
        if not empty or name is None:
            break
        filename = unquote(coded[1]) if coded else plain[1] if plain else ""
        if name[1] == "file" and filename:
            kind = _TYPE.search(text)
            told = kind[1] if kind else "application/octet-stream"
            guessed = mimetypes.guess_type(filename)[0] if told == "application/octet-stream" else None
            found.append(Upload(filename, guessed or told, data))
    raise JiraError(400, "Invalid multipart body.")


def create(asked: Asked) -> Answer:
    """
    Attach files to an issue.
    """
    if (asked.xsrf_token or "").lower() not in {"no-check", "nocheck"}:
        raise JiraError(403, "XSRF check failed")
    issue = asked.issue
    uploads = read_uploads(asked.content_type, asked.raw)
    if not uploads:
        raise JiraError(400, "No file was attached: the form has no part with the name 'file'.")
    if any(len(each.data) > _UPLOAD_LIMIT for each in uploads):
        raise JiraError(413, "The attachment exceeds the maximum attachment size for issues.")
    shown = []
    for each in uploads:
        made = Attachment(
            asked.account.mint("attachment"),
            issue.id,
            asked.account.me,
            asked.account.clock(),
            filename=each.filename,
            mime_type=each.mime_type,
            data=each.data,
        )
        shown.append(shapes.attachment(asked.view, asked.account.add(made, "attachment.created")))
    return said(200, shown)


def meta(_asked: Asked) -> Answer:
    """
    Say how large an attachment may be.
    """
    return said(200, {"enabled": True, "uploadLimit": _UPLOAD_LIMIT})


def _found(asked: Asked) -> Attachment:
    found = asked.account.note(Attachment, asked.ids[0])
    if found is None:
        raise JiraError(404, f"The attachment with id '{asked.ids[0]}' does not exist")
    return found


def retrieve(asked: Asked) -> Answer:
    """
    Show what is known of an attachment; here its id is a number.
    """
    found = _found(asked)
    return said(200, shapes.attachment(asked.view, found) | {"id": int(found.id), "properties": {}})


def content(asked: Asked) -> Answer:
    """
    Answer with the file, or say where it is.
    """
    found = _found(asked)
    if asked.text("redirect") == "false":
        return Answer(200, found.data, {"Content-Type": found.mime_type})
    where = asked.view.url(f"attachment/content/{found.id}?redirect=false")
    return Answer(303, b"", {"Location": where})


def delete(asked: Asked) -> Answer:
    """
    Delete an attachment.
    """
    asked.account.remove(_found(asked), "attachment.deleted")
    return silence()
