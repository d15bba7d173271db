"""Jira's way of saying no: a list of sentences, and a sentence for each field that is at fault."""

from __future__ import annotations

from collections.abc import Mapping

from loadtest.upstreams.answer import Answer, Refusal
from loadtest.upstreams.jira.said import said

# What Jira says of whatever it cannot read, whoever asks.
_BAD_PAYLOAD = "Invalid request payload. Refer to the REST API documentation and try again."


class JiraError(Refusal):
    """
    A request that Jira refuses: `errors` are by field, whatever is about no field is a message.
    """

    def __init__(self, status: int, *messages: str, errors: Mapping[str, str] | None = None) -> None:
        super().__init__(*messages, *(errors or {}).values())
        self.status = status
        self.messages = messages
        self.errors = dict(errors or {})

    def body(self) -> dict[str, object]:
        """
        Return the answer's body.
        """
        return {"errorMessages": list(self.messages), "errors": self.errors}

    def answer(self) -> Answer:
        """
        Return the refusal as Jira words it.
        """
        return said(self.status, self.body())


class Wrong(Exception):
    """
    A value that its field does not take; whoever reads the fields turns it into the field's error.
    """


def missing_issue() -> JiraError:
    """
    Return the 404 of an issue that is not there, or not to be seen.
    """
    return JiraError(404, "Issue does not exist or you do not have permission to see it.")


def bad_payload() -> JiraError:
    """
    Return the 400 of a body that cannot be read.
    """
    return JiraError(400, _BAD_PAYLOAD)
