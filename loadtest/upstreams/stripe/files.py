"""Files: the one v1 operation whose body is multipart, and its list."""

from __future__ import annotations

import re

from loadtest.upstreams.stripe.account import Account, File
from loadtest.upstreams.stripe.errors import ApiError
from loadtest.upstreams.stripe.pages import page
from loadtest.upstreams.stripe.params import Params, Tree, Upload
from loadtest.upstreams.stripe.shapes import Shape, file

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_NAME = re.compile(r'\bname="([^"]*)"')
_FILENAME = re.compile(r'\bfilename="([^"]*)"')


def parse_multipart(content_type: str, body: bytes) -> Tree:
    """
    Parse a multipart form into its fields and uploads.
    """
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise ApiError(400, "Invalid multipart body: no boundary")
    tree: Tree = {}
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary[1].encode("latin-1"))[1:]:
        if part.startswith(b"--"):
            return tree
        head, empty, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        text = head.decode("utf-8", "replace")
        name, filename = _NAME.search(text), _FILENAME.search(text)
        if not empty or name is None:
            break
        tree[name[1]] = Upload(filename[1], data) if filename else data.decode("utf-8", "replace")
    raise ApiError(400, "Invalid multipart body")


def create(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    Keep an uploaded file.
    """
    upload = params.upload("file")
    purpose = params.required("purpose")
    params.finish()
    made = File(account.mint("file_"), account.now(), filename=upload.filename, purpose=purpose, data=upload.data)
    return file(account.add(made, "file.created"))


def retrieve(account: Account, ids: tuple[str, ...], params: Params) -> Shape:
    """
    Show a file.
    """
    params.finish()
    return file(account.get(File, "file", ids[0]))


def list_(account: Account, _ids: tuple[str, ...], params: Params) -> Shape:
    """
    List files, newest first.
    """
    things = account.all(File)
    if params.has("purpose"):
        purpose = params.text("purpose")
        things = [thing for thing in things if thing.purpose == purpose]
    return page(account, things, params, "/v1/files", "file")
