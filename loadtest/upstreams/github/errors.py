"""GitHub's way of saying no: a message, perhaps the fields that are wrong, and where that is documented."""

from __future__ import annotations

from collections.abc import Sequence

from loadtest.upstreams.answer import Answer, Refusal

_DOCUMENTATION = "https://docs.github.com/rest"


class GithubError(Refusal):
    """
    A request that GitHub refuses; `errors` are the faults of single fields, `headers` go with the answer.
    """

    def __init__(
        self, status: int, message: str, *, errors: Sequence[object] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = tuple(errors)
        self.headers = headers or {}

    def answer(self) -> Answer:
        """
        Return the refusal as GitHub words it.
        """
        body: dict[str, object] = {"message": self.message}
        if self.errors:
            body["errors"] = list(self.errors)
        body |= {"documentation_url": _DOCUMENTATION, "status": str(self.status)}
        return Answer.of(self.status, body, **self.headers)


def not_found() -> GithubError:
    """
    Return the 404 of what is not there, or is not shown.
    """
    return GithubError(404, "Not Found")


def unprocessable(message: str) -> GithubError:
    """
    Return a 422 that is all in its sentence.
    """
    return GithubError(422, message)


def invalid(resource: str, field: str, code: str, **more: object) -> GithubError:
    """
    Return the 422 of one field: `missing_field`, `invalid`, `already_exists` or `custom`.
    """
    return GithubError(422, "Validation Failed", errors=[{"resource": resource, "field": field, "code": code, **more}])
