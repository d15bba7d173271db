"""
JQL, as far as it is known here: clauses joined by AND, then an order.

    project = SHOP AND labels in (urgent, "from-bot") AND status != Done AND text ~ "card declined" ORDER BY key

Fields are `project`, `key` (`issue`, `id`), `labels`, `status`, `issuetype` (`type`), `priority`, `assignee`,
`reporter`, `creator`, `parent` with `=`, `!=`, `in`, `not in`, `is [not] EMPTY`, a person also as `currentUser()`;
`summary`, `description` and `text` with `~` and `!~`; `created` with `>=`, `<=`, `>`, `<`. What Jira would refuse is
refused: a field or a value that does not exist, and words that cannot be read.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from loadtest.upstreams.jira.account import Account, Issue
from loadtest.upstreams.jira.documents import to_text
from loadtest.upstreams.jira.errors import JiraError
from loadtest.upstreams.jira.words import ISSUE_TYPES, PRIORITIES, STATUSES

_TOKEN = re.compile(r"""\s*(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(!=|!~|[=~(),])|([^\s=!~(),"']+))""")
_ALIASES = {"issue": "key", "id": "key", "issuekey": "key", "type": "issuetype"}
_TEXTS = frozenset({"summary", "description", "text"})
_ORDERS = frozenset({"created", "updated", "key", "priority"})

# A moment, in UTC here, or how long ago; Jira takes nothing finer than a minute.
_AGO = re.compile(r"-(\d{1,6})([mhdw])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_ME = "currentuser()"


@dataclass(frozen=True, slots=True)
class Clause:
    """
    One condition; without values it asks whether the field is empty.
    """

    field: str
    negated: bool
    values: tuple[str, ...]
    text: bool = False
    compared: str = ""


@dataclass(frozen=True, slots=True)
class Query:
    """
    A query that was read: every clause must hold; `orders` are fields and whether they run downwards.
    """

    clauses: tuple[Clause, ...]
    orders: tuple[tuple[str, bool], ...]


class _Words:
    """
    A query's tokens, each with whether it was quoted, so that a quoted `and` is a value.
    """

    def __init__(self, jql: str) -> None:
        self._tokens = list(_tokens(jql))
        self._at = 0

    def take(self, *words: str) -> bool:
        """
        Pass over these keywords or signs, if they come next.
        """
        coming = self._tokens[self._at : self._at + len(words)]
        if [None if quoted else text.lower() for text, quoted in coming] != list(words):
            return False
        self._at += len(words)
        return True

    def value(self) -> str:
        """
        Pass over a value or a name, and return it.
        """
        if self.ended:
            raise JiraError(400, "Error in the JQL Query: Expecting either a value, list or function before the end.")
        text, _ = self._tokens[self._at]
        self._at += 1
        return text

    @property
    def ended(self) -> bool:
        """
        Tell whether nothing is left.
        """
        return self._at >= len(self._tokens)


def _tokens(jql: str) -> Iterator[tuple[str, bool]]:
    position, text = 0, jql.rstrip()
    while position < len(text):
        found = _TOKEN.match(text, position)
        if found is None:
            raise JiraError(400, f"Error in the JQL Query: The character at {position + 1} cannot be read.")
        quoted = found[1] if found[1] is not None else found[2]
        yield (re.sub(r"\\(.)", r"\1", quoted), True) if quoted is not None else (found[3] or found[4], False)
        position = found.end()


def parse(jql: str) -> Query:
    """
    Read a query, or refuse it as Jira does.
    """
    words = _Words(jql)
    clauses: list[Clause] = []
    orders: list[tuple[str, bool]] = []
    while not words.ended:
        if words.take("order", "by"):
            orders = list(_orders(words))
            break
        if clauses and not words.take("and"):
            raise JiraError(400, f"Error in the JQL Query: Expecting 'AND' or the end but got '{words.value()}'.")
        clauses.append(_clause(words))
    return Query(tuple(clauses), tuple(orders))


def _clause(words: _Words) -> Clause:
    name = words.value()
    field = _ALIASES.get(name.lower(), name.lower())
    if field == "created":
        return _compared(words)
    if field not in _READERS and field not in _TEXTS:
        raise JiraError(400, f"Field '{name}' does not exist or you do not have permission to view it.")
    if field in _TEXTS:
        negated = words.take("!~")
        if not negated and not words.take("~"):
            raise JiraError(400, f"The operator '{words.value()}' is not supported by the '{field}' field.")
        return Clause(field, negated, (words.value(),), text=True)
    if words.take("is"):
        negated = words.take("not")
        if not words.take("empty") and not words.take("null"):
            raise JiraError(400, "Error in the JQL Query: The operator 'is' takes 'EMPTY' only.")
        return Clause(field, negated, ())
    negated = words.take("not", "in")
    if negated or words.take("in"):
        return Clause(field, negated, tuple(_list(words)))
    negated = words.take("!=")
    if not negated and not words.take("="):
        raise JiraError(400, f"Error in the JQL Query: '{words.value()}' is no operator of the field '{field}'.")
    return Clause(field, negated, (_value(words),))


def _value(words: _Words) -> str:
    """
    Return a value, or the one function that is known here.
    """
    text = words.value()
    if not words.take("(", ")"):
        return text
    if f"{text.lower()}()" != _ME:
        raise JiraError(400, f"Unable to find JQL function '{text}()'.")
    return _ME


def _compared(words: _Words) -> Clause:
    for sign in (">=", "<=", ">", "<"):
        if words.take(*sign):
            return Clause("created", False, (words.value(),), compared=sign)  # noqa: FBT003 - it is not negated
    raise JiraError(400, f"The operator '{words.value()}' is not supported by the 'created' field.")


def _list(words: _Words) -> Iterator[str]:
    if not words.take("("):
        raise JiraError(400, "Error in the JQL Query: Expecting '(' before a list.")
    yield _value(words)
    while not words.take(")"):
        if not words.take(","):
            raise JiraError(400, f"Error in the JQL Query: Expecting ')' or ',' but got '{words.value()}'.")
        yield _value(words)


def _orders(words: _Words) -> Iterator[tuple[str, bool]]:
    more = True
    while more:
        name = words.value().lower()
        field = _ALIASES.get(name, name)
        if field not in _ORDERS:
            raise JiraError(400, f"Not able to sort using field '{name}'.")
        down = words.take("desc")
        if not down:
            words.take("asc")
        yield field, down
        more = words.take(",")
        if not more and not words.ended:
            raise JiraError(400, f"Error in the JQL Query: Expecting ',' or the end but got '{words.value()}'.")


# --------------------------------------------------------------------------------------------------- what holds of what


def _one(value: object) -> list[str]:
    return [] if value is None else [str(value)]


_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

# The ids that an issue has in a field.
_READERS: dict[str, Callable[[Issue], list[str]]] = {
    "project": lambda issue: [issue.project],
    "key": lambda issue: [issue.id],
    "status": lambda issue: [issue.status],
    "labels": lambda issue: [label.casefold() for label in issue.values["labels"]],
    "issuetype": lambda issue: _one(issue.values["issuetype"]),
    "priority": lambda issue: _one(issue.values["priority"]),
    "assignee": lambda issue: _one(issue.values["assignee"]),
    "reporter": lambda issue: _one(issue.values["reporter"]),
    # Nobody else works here.
    "creator": lambda _issue: [_ME],
    "parent": lambda issue: _one(issue.values["parent"]),
}


def _ids(account: Account, field: str, value: str) -> list[str]:
    """
    Return the ids that a value in a query means, or refuse one that means nothing.
    """
    wanted = value.lower()
    match field:
        case "labels":
            return [value.casefold()]
        case "key" | "parent":
            issue = account.find(value)
            found = [] if issue is None else [issue.id]
        case "project":
            found = [
                each.id
                for each in account.projects.values()
                if wanted in {each.id, each.key.lower(), each.name.lower()}
            ]
        case "status":
            found = [each.id for each in STATUSES.values() if wanted in {each.id, each.name.lower()}]
        case "issuetype":
            found = [each.id for each in ISSUE_TYPES.values() if wanted in {each.id, each.name.lower()}]
        case "priority":
            found = [id_ for id_, name in PRIORITIES.items() if wanted in {id_, name.lower()}]
        case _:
            told = {each.id: {each.id, each.email, each.name.lower()} for each in account.people.values()}
            told[account.me].add(_ME)
            found = [_ME if field == "creator" and id_ == account.me else id_ for id_ in told if wanted in told[id_]]
    if not found:
        noun = "An issue with key" if field in {"key", "parent"} else "The value"
        raise JiraError(400, f"{noun} '{value}' does not exist for the field '{field}'.")
    return found


def condition(account: Account, query: Query) -> Callable[[Issue], bool]:
    """
    Return what tells whether an issue meets a query; values that do not exist are refused here.
    """
    tests = [_test(account, clause) for clause in query.clauses]
    return lambda issue: all(test(issue) for test in tests)


def _test(account: Account, clause: Clause) -> Callable[[Issue], bool]:
    if clause.text:
        words = [word.casefold() for word in clause.values[0].replace('"', " ").split()]
        return lambda issue: all(_says(issue, clause.field, word) for word in words) != clause.negated
    if clause.compared:
        moment, holds = _moment(account, clause.values[0]), _HOLDS[clause.compared]
        return lambda issue: holds(issue.created, moment)
    read = _READERS[clause.field]
    if not clause.values:
        return lambda issue: bool(read(issue)) == clause.negated
    ids = {id_ for value in clause.values for id_ in _ids(account, clause.field, value)}
    # As in Jira, `!=` does not find issues whose field is empty.
    return lambda issue: bool(held := set(read(issue))) and bool(held & ids) != clause.negated


def _moment(account: Account, text: str) -> float:
    if ago := _AGO.fullmatch(text):
        return account.clock() - int(ago[1]) * _UNITS[ago[2]]
    try:
        return datetime.fromisoformat(text.replace("/", "-")).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise JiraError(400, f"Date value '{text}' for field 'created' is invalid.") from None


def _says(issue: Issue, field: str, word: str) -> bool:
    names = ("summary", "description") if field == "text" else (field,)
    text = " ".join(to_text(issue.values.get(name) or "") for name in names)
    spoken = re.findall(r"\w+", text.casefold())
    if word.endswith("*"):
        return any(each.startswith(word[:-1]) for each in spoken)
    return all(each in spoken for each in re.findall(r"\w+", word))


def ordered(issues: list[Issue], query: Query) -> list[Issue]:
    """
    Return issues in the query's order, and newest first where it leaves that open.
    """
    keys: dict[str, Callable[[Issue], object]] = {
        "created": lambda issue: (issue.created, int(issue.id)),
        "updated": lambda issue: issue.updated,
        "key": lambda issue: (issue.key.rpartition("-")[0], issue.number),
        "priority": lambda issue: -int(issue.values["priority"]),
    }
    found = sorted(issues, key=lambda issue: int(issue.id), reverse=True)
    for field, down in reversed(query.orders):
        found.sort(key=keys[field], reverse=down)  # type: ignore[arg-type]
    return found
