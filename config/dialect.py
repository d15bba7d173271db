"""
An API's manners as data: where its credential goes, how it spells errors, lists and throttling, which headers matter.

A dialect stands in the overlay of a catalogue. Nothing here knows an API by name: what differs between two APIs is a
field, and an API without an overlay gets the plain defaults. Header names are compared in lower case everywhere, so
they are lowered as they enter.

Answers are recognised by signs: a status, and where they are given a header, a text in the body, a value in it. A sign
can only say more than its status does; without one an answer means what its status means for every API.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, model_validator

Header = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=64), AfterValidator(str.lower)]
PathPrefix = Annotated[str, Field(pattern=r"^(/[^/{}?#\s]+)+$")]
Origin = Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")]
Pointer = Annotated[str, Field(pattern=r"^(/[^/]+)+$")]
Status = Annotated[int, Field(ge=100, le=599)]
# Dotted member names: letters, digits, `_` and `-` are all that the members of real bodies are made of.
MemberPath = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$")]
Member = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")]

PROBLEM_JSON = "application/problem+json"


class Model(BaseModel):
    """
    What a person wrote, frozen; a key that means nothing is a fault.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True, strict=True)


class Credential(Model):
    """
    Where the real credential goes in a request to the upstream, and how it is announced there.
    """

    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")] = "Authorization"
    scheme: Literal["bearer", "basic", "token"] = "bearer"


class PathAlias(Model):
    """
    A path prefix that is classified as another; it is sent as it came.
    """

    prefix: PathPrefix
    means: PathPrefix


class LinkName(Model):
    """
    In a `Link`, a path that begins like `named` means the resource that was asked for under `asked`: `{}` is a segment.

    So it is where a vendor pages by numbers that nobody's rules name.
    """

    named: Annotated[str, Field(pattern=r"^(/([A-Za-z0-9_.-]+|\{\}))+$")]
    asked: Annotated[str, Field(pattern=r"^(/([A-Za-z0-9_.-]+|\{\}))+$")]


class RefusedPath(Model):
    """
    A path that is no operation on purpose, and the sentence that says why.
    """

    path: PathPrefix
    because: Annotated[str, Field(min_length=1, max_length=300)]


class KeyRule(Model):
    """
    Requests whose idempotency key the vendor honours: these methods, at these bases, below this path prefix.

    `kept_h` is for how many hours at least the vendor remembers a key.
    """

    methods: frozenset[Literal["POST", "PUT", "PATCH", "DELETE"]] = Field(min_length=1, strict=False)
    bases: frozenset[str] = Field(default=frozenset({"api"}), strict=False)
    prefix: PathPrefix | None = None
    kept_h: Annotated[int, Field(ge=1, le=8760)] = 24

    def covers(self, method: str, base: str, path: str) -> bool:
        """
        Tell whether an operation of this method, base and path template falls under the rule.
        """
        return method in self.methods and base in self.bases and (not self.prefix or path.startswith(f"{self.prefix}/"))


class Identity(Model):
    """
    The read that tells who uses the account's credential, and the pointer in its answer that tells creators apart.
    """

    read: str
    pointer: Pointer


class Continues(Model):
    """
    How an answer says that its list goes on: `more` is true while it does, `last` false, `token` text, `total` above
    what was shown, or, with `link`, a `Link` header names the next page.

    It goes on with `parameter`: behind the last item's `id`, at the token, or at so many items. Without one, nothing
    can be read on.
    """

    more: Pointer | None = None
    last: Pointer | None = None
    token: Pointer | None = None
    total: Pointer | None = None
    link: bool = False
    id: Pointer | None = None
    parameter: Annotated[str, Field(pattern=r"^[A-Za-z_]*$", max_length=64)] = ""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(sign is not None for sign in (self.more, self.last, self.token, self.total)) + self.link != 1:
            raise ValueError("write one of `more`, `last`, `token`, `total` and `link`")
        if self.more is not None and bool(self.id) is not bool(self.parameter):
            raise ValueError("`id` and `parameter` go together")
        return self


class AnswerSign(Model):
    """
    What to recognise an answer by: its status, and where they are given a header (with this value, if any), a text
    somewhere in the body, a value at a JSON pointer. All that is given must hold.
    """

    status: Status
    header: Header | None = None
    equals: str | None = None
    text: str | None = None
    pointer: Pointer | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.equals is not None and not (self.header or self.pointer):
            raise ValueError("`equals` needs a `header` or a `pointer` whose value it is")
        if self.pointer and (self.equals is None or self.header):
            raise ValueError("`pointer` goes with `equals`, and not with `header`")
        return self

    def shown_by(self, status: int, headers: Mapping[str, str], body: bytes = b"", document: object = None) -> bool:
        """
        Tell whether an answer (headers lower-case; `document` is the parsed body, if it parsed) shows this sign.
        """
        if status != self.status:
            return False
        if self.header is not None:
            value = headers.get(self.header)
            if value is None or (self.equals is not None and value.strip() != self.equals):
                return False
        if self.text is not None and self.text.encode() not in body:
            return False
        return self.pointer is None or point_at(document, self.pointer) == self.equals


class ErrorShape(Model):
    """
    The API's own error body as a template: a JSON object in which `$message`, `$reason`, `$urn` (of the reason),
    `$type`, `$status` (a number), `$status_text` and `$details` (an object) stand for what is said.

    `$type` is the one of the reason, else of the status, else of the class of statuses (`4xx`), else `default`.
    """

    template: dict[str, JsonValue] = Field(min_length=1)
    media_type: str = "application/json"
    types: dict[str, str] = Field(default_factory=dict)

    def type_of(self, status: int, reason: str) -> str:
        """
        Return the API's own word for this kind of error.
        """
        for key in (reason, str(status), f"{status // 100}xx", "default"):
            if key in self.types:
                return self.types[key]
        return reason


class Throttle(Model):
    """
    How an API throttles: for how long where it does not say so, and which values of the header `reason` mean one
    operation only, or writes on one object.
    """

    otherwise_s: Annotated[int, Field(ge=1, le=300)] = 1
    reason: Header | None = None
    operations: tuple[str, ...] = Field(default=(), strict=False)
    objects: tuple[str, ...] = Field(default=(), strict=False)


class Dialect(Model):
    """
    How one API talks. Origins are by base; `exponents` are those that differ from ISO 4217.

    `style` says how arguments are spelled in a form or query: `bracket` (`name[key]`, `name[]`) or `plain` (a name that
    repeats is an array). `forward_headers` leave as they came; `redirecting_headers` choose whose object is touched,
    and pass only where a card lists the value. `declined` are statuses by which a healthy upstream says no.
    `token_prefix` is what some of its clients ask a key to begin with.
    `never_store` are dotted member names that match at any depth, in requests and answers, lists being looked through:
    `card.number` is the member `number` of any member `card`. `shaping` are arguments that shape an answer and change
    nothing: with one of them an object in an answer is not spelled as its read spells it. `verbatim_types` are media
    types, lower-case, under which a file's own bytes are answered: they stream untouched, even where they are JSON.
    `deletion` are the members by which an answer, or an object that is still shown, says that it was deleted; without
    them a deletion is answered with nothing, and shows nothing. `volatile` are members of answers, at any depth, that
    differ from one reading to the next of what is the same.
    `money: none` says that no operation moves any, unless its own curation says otherwise.
    `pages` are the ways in which a list says that it goes on; of those that say so, the first counts.
    `identity` tells who we are there, `lag_s` within how many seconds a read shows what was written, and `resets` names
    headers that say when a throttled caller may come again, beside `Retry-After`; `throttle` is the rest of that.
    """

    title: Annotated[str, Field(max_length=60)] = ""
    origins: dict[str, Origin | None] = Field(default_factory=dict)
    credential: Credential = Credential()
    token_prefix: Literal["", "rk_"] = ""
    style: Literal["bracket", "plain"] = "plain"
    path_aliases: tuple[PathAlias, ...] = Field(default=(), strict=False)
    link_names: tuple[LinkName, ...] = Field(default=(), strict=False)
    refused_paths: tuple[RefusedPath, ...] = Field(default=(), strict=False)
    forward_headers: frozenset[Header] = Field(default=frozenset(), strict=False)
    redirecting_headers: frozenset[Header] = Field(default=frozenset(), strict=False)
    answer_headers: frozenset[Header] = Field(default=frozenset(), strict=False)
    verbatim_types: frozenset[str] = Field(default=frozenset(), strict=False)
    request_id_header: Header | None = None
    refusal_headers: dict[str, str] = Field(default_factory=dict)
    errors: ErrorShape | None = None
    upstream_key_header: str | None = None
    honours_key: tuple[KeyRule, ...] = Field(default=(), strict=False)
    throttled: tuple[AnswerSign, ...] = Field(default=(AnswerSign(status=429),), strict=False)
    declined: frozenset[Status] = Field(default=frozenset(), strict=False)
    key_in_use: tuple[AnswerSign, ...] = Field(default=(), strict=False)
    deletion: dict[str, JsonValue] = Field(default_factory=dict)
    identity: Identity | None = None
    pages: tuple[Continues, ...] = Field(default=(), strict=False)
    lag_s: Annotated[int, Field(ge=0, le=3600)] = 30
    resets: tuple[Header, ...] = Field(default=("x-ratelimit-reset",), strict=False)
    throttle: Throttle = Throttle()
    money: Literal["none", "some"] = "some"
    never_store: tuple[MemberPath, ...] = Field(default=(), strict=False)
    volatile: tuple[Member, ...] = Field(default=(), strict=False)
    shaping: tuple[str, ...] = Field(default=(), strict=False)
    exponents: dict[Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[int, Field(ge=0, le=4)]] = Field(
        default_factory=dict
    )

    @cached_property
    def shown_headers(self) -> frozenset[str]:
        """
        Return the headers of an answer that may be shown beyond those that describe any answer.
        """
        return self.answer_headers | ({self.request_id_header} if self.request_id_header else frozenset())

    def is_throttled(self, status: int, headers: Mapping[str, str], body: bytes = b"", document: object = None) -> bool:
        """
        Tell whether an answer says "later": the upstream works and did nothing.
        """
        return any(sign.shown_by(status, headers, body, document) for sign in self.throttled)

    def is_key_in_use(
        self, status: int, headers: Mapping[str, str], body: bytes = b"", document: object = None
    ) -> bool:
        """
        Tell whether an answer says that the same key is still being worked on, so that nothing is known yet.
        """
        return any(sign.shown_by(status, headers, body, document) for sign in self.key_in_use)


def point_at(document: object, pointer: str) -> object:
    """
    Return what a JSON pointer (RFC 6901) leads to, or None.
    """
    for raw in pointer.split("/")[1:]:
        key = raw.replace("~1", "/").replace("~0", "~") if "~" in raw else raw
        if isinstance(document, dict):
            document = document.get(key)
        elif isinstance(document, list) and key.isascii() and key.isdigit() and int(key) < len(document):
            document = document[int(key)]
        else:
            return None
    return document


def render_error(
    dialect: Dialect | None, status: int, reason: str, message: str, details: Mapping[str, object]
) -> tuple[str, dict[str, object]]:
    """
    Return the media type and the body of an answer of ours: in the API's own shape, else as problem+json.
    """
    urn = f"urn:breakwater:{reason}"
    if dialect is None or dialect.errors is None:
        members = {"type": urn, "title": reason, "status": status, "detail": message}
        return PROBLEM_JSON, {**members, "breakwater": dict(details)}
    shape = dialect.errors
    values: dict[str, object] = {
        "$message": message,
        "$reason": reason,
        "$urn": urn,
        "$type": shape.type_of(status, reason),
        "$status": status,
        "$status_text": str(status),
        "$details": dict(details),
    }
    return shape.media_type, _filled(shape.template, values)


def _filled(template: Mapping[str, object], values: Mapping[str, object]) -> dict[str, object]:
    # The texts of an object, which most of it is, in one go: refusals are to be cheaper than what they refuse.
    return {
        name: values.get(part, part) if isinstance(part, str) else _part_filled(part, values)
        for name, part in template.items()
    }


def _part_filled(part: object, values: Mapping[str, object]) -> object:
    if isinstance(part, str):
        return values.get(part, part)
    if isinstance(part, dict):
        return _filled(part, values)
    return [_part_filled(one, values) for one in part] if isinstance(part, list) else part
