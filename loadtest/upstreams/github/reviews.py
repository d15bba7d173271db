"""Reviews of pull requests."""

from __future__ import annotations

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, shown
from loadtest.upstreams.github.errors import GithubError, not_found, unprocessable
from loadtest.upstreams.github.people import iso, simple
from loadtest.upstreams.github.pulls import of
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Issue, Repo, Review

_TYPES = {"commit_id": "string", "body": "string", "event": "string", "comments": "array"}
_STATES = {"APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED", None: "PENDING"}


def _review(urls: Urls, repo: Repo, thing: Issue, review: Review) -> View:
    html = f"{urls.html}/{repo.full_name}/pull/{thing.number}#pullrequestreview-{review.id}"
    pull = f"{repo_url(urls, repo)}/pulls/{thing.number}"
    view: View = {
        "id": review.id,
        "node_id": f"PRR_{review.id}",
        "user": simple(urls, review.author),
        "body": review.body,
        "state": review.state,
        "html_url": html,
        "pull_request_url": pull,
        "author_association": "OWNER",
        "_links": {"html": {"href": html}, "pull_request": {"href": pull}},
        "commit_id": review.commit_id,
    }
    return view | ({"submitted_at": iso(review.submitted_at)} if review.submitted_at is not None else {})


def create(call: Call, repo: Repo, number: str) -> Answer:
    """
    Review a pull request; without an event the review waits to be submitted. Nobody approves what is their own.
    """
    thing, pull = of(repo, number)
    given = call.given(_TYPES)
    event, body = given.get("event"), given.get("body", "")
    if event not in _STATES:
        raise unprocessable(f"Invalid request.\n\nFor 'properties/event', {event} is not one of the events.")
    if event in {"APPROVE", "REQUEST_CHANGES"} and thing.author is call.world.me:
        verb = "approve" if event == "APPROVE" else "request changes on"
        raise GithubError(422, "Unprocessable Entity", errors=[f"Can not {verb} your own pull request"])
    if event in {"REQUEST_CHANGES", "COMMENT"} and not body:
        raise unprocessable(f"Unprocessable Entity: a body is needed to {event}")
    commit = given.get("commit_id", pull.head_sha)
    at = None if event is None else call.world.now()
    made = Review(call.world.mint(), call.world.me, body, _STATES[event], commit, at)
    pull.reviews[made.id] = made
    call.world.done("review.created", repo, "review", made.id)
    return shown(_review(call.urls, repo, thing, made))


def get(call: Call, repo: Repo, number: str, id_: str) -> Answer:
    """
    Show a review.
    """
    thing, pull = of(repo, number)
    review = pull.reviews.get(int(id_)) if id_.isdigit() else None
    if review is None:
        raise not_found()
    return shown(_review(call.urls, repo, thing, review))


def list_(call: Call, repo: Repo, number: str) -> Answer:
    """
    List a pull request's reviews, oldest first.
    """
    thing, pull = of(repo, number)
    return call.page(pull.reviews.values(), lambda review: _review(call.urls, repo, thing, review))
