"""
githubkit at work, its HTTP cache on as it is shipped: every answer as it came, and as its model reads it.
"""

from __future__ import annotations

import base64
from functools import partial
from typing import Any

from githubkit import GitHub, TokenAuthStrategy
from githubkit.exception import GitHubException, RequestFailed
from githubkit.response import Response
from githubkit_schemas.latest.models import ReleaseAsset
from pydantic import ValidationError

from tests.clients.compare import Step
from tests.clients.play import Player, Target, told

HERE = {"owner": "ada", "repo": "engine"}


def client(target: Target) -> Any:
    """
    Return the client as docs/CLIENTS.md sets it up, without its retries.
    """
    return GitHub(TokenAuthStrategy(target.key), base_url=target.base, auto_retry=False)


def shown(value: Any) -> Any:
    """
    Return an answer, and whether the client's own model of it takes it; of a page's item, the item.
    """
    if not isinstance(value, Response):
        return value.model_dump(mode="json")
    model: object
    try:
        model = type(value.parsed_data).__name__ if value.content else "nothing"
    except ValidationError as wrong:
        model = sorted({".".join(map(str, fault["loc"][-1:])) for fault in wrong.errors()})
    data = value.json() if value.content else None
    return {"status": value.status_code, "data": data, "model": model, "headers": told(value.headers)}


def refused(error: Any) -> Any:
    """
    Return everything that an error of the client shows.
    """
    if not isinstance(error, RequestFailed):
        return {"text": str(error)}
    answer = error.response
    return {"status": answer.status_code, "data": answer.json(), "headers": told(answer.headers)}


def work(target: Target) -> list[Step]:
    """
    Play the script.
    """
    with client(target) as hub:
        play = Player((GitHubException,), shown, refused, target.upstream)
        rest = hub.rest
        play("who", rest.users.get_authenticated)
        play("repository", lambda: rest.repos.get(**HERE))
        _issues(play, hub)
        _files(play, rest)
        if target.name == "sandbox":
            _releases(play, hub)
        _failures(play, rest)
        return play.steps


def _issues(play: Player, hub: Any) -> None:
    issues = hub.rest.issues
    for n in range(5):
        play("create", partial(issues.create, **HERE, title=f"Leak {n}", body="Zoë & Söhne"))
    play("read", lambda: issues.get(**HERE, issue_number=1))
    play("read from the cache", lambda: issues.get(**HERE, issue_number=1))
    play("update", lambda: issues.update(**HERE, issue_number=1, title="Leak, again", assignees=["ada"]))
    play("read again", lambda: issues.get(**HERE, issue_number=1))
    play("list", lambda: issues.list_for_repo(**HERE, per_page=2, state="all"))
    play("paginate", lambda: iter(hub.rest.paginate(issues.list_for_repo, **HERE, per_page=2, state="all")))
    play("new label", lambda: issues.create_label(**HERE, name="urgent", color="ff0000"))
    play("label", lambda: issues.add_labels(**HERE, issue_number=1, labels=["urgent"]))
    play("labels", lambda: issues.list_labels_on_issue(**HERE, issue_number=1))
    play("unlabel", lambda: issues.remove_label(**HERE, issue_number=1, name="urgent"))
    play("delete label", lambda: issues.delete_label(**HERE, name="urgent"))
    made = play("comment", lambda: issues.create_comment(**HERE, issue_number=1, body="A comment"))
    at = {**HERE, "comment_id": made.json()["id"]}
    play("edit comment", lambda: issues.update_comment(**at, body="Edited"))
    play("comments", lambda: issues.list_comments(**HERE, issue_number=1))
    play("delete comment", lambda: issues.delete_comment(**at))
    play("deleted comment", lambda: issues.get_comment(**at))
    play("close", lambda: issues.update(**HERE, issue_number=1, state="closed"))


def _files(play: Player, rest: Any) -> None:
    file = {**HERE, "path": "docs/a b.md"}
    made = play("create file", lambda: _put(rest, file, "one\n")).json()["content"]["sha"]
    play("read file", lambda: rest.repos.get_content(**file))
    last = play("update file", lambda: _put(rest, file, "two\n", sha=made)).json()["content"]["sha"]
    play("409", lambda: _put(rest, file, "three\n", sha=made))
    main = rest.git.get_ref(**HERE, ref="heads/main").json()["object"]["sha"]
    play("branch", lambda: rest.git.create_ref(**HERE, ref="refs/heads/topic", sha=main))
    play("file on it", lambda: _put(rest, {**HERE, "path": "topic.md"}, "topic\n", branch="topic"))
    pull = play("pull", lambda: rest.pulls.create(**HERE, head="topic", base="main", title="Topic"))
    at = {**HERE, "pull_number": pull.json()["number"]}
    play("edit pull", lambda: rest.pulls.update(**at, title="The topic"))
    play("review", lambda: rest.pulls.create_review(**at, body="Fine.", event="COMMENT"))
    play("close pull", lambda: rest.pulls.update(**at, state="closed"))
    play("delete branch", lambda: rest.git.delete_ref(**HERE, ref="heads/topic"))
    play("delete file", lambda: rest.repos.delete_file(**file, message="remove", sha=last))


def _put(rest: Any, file: dict[str, str], text: str, **more: str) -> Any:
    content = base64.b64encode(text.encode()).decode()
    return rest.repos.create_or_update_file_contents(**file, message="write", content=content, **more)


def _releases(play: Player, hub: Any) -> None:
    rest = hub.rest
    release = play("release", lambda: rest.repos.create_release(**HERE, tag_name="v1", name="One", draft=True)).json()
    at = {**HERE, "release_id": release["id"]}
    play("edit release", lambda: rest.repos.update_release(**at, body="The first.", draft=False))
    # `upload_release_asset` asks the API's own host, where there is no such thing.
    where = release["upload_url"].partition("{")[0]
    sent = {"content": b"notes", "headers": {"Content-Type": "text/plain"}, "response_model": ReleaseAsset}
    play("upload", lambda: hub.request("POST", where, params={"name": "notes.txt"}, **sent))
    play("releases", lambda: rest.repos.list_releases(**HERE))
    play("delete release", lambda: rest.repos.delete_release(**at))
    dispatched = {**HERE, "workflow_id": "ci.yml", "ref": "main"}
    play("dispatch", lambda: rest.actions.create_workflow_dispatch(**dispatched))


def _failures(play: Player, rest: Any) -> None:
    play("404", lambda: rest.issues.get(**HERE, issue_number=999))
    play("422", lambda: rest.issues.create_label(**HERE, name="bug", color="not a colour"))
    for status in (500, 502, 503):
        play.fails(f"{status} of a read", lambda: rest.issues.get(**HERE, issue_number=2), status)
    for status in (400, 403, 410, 429):
        play.fails(f"{status} of a write", lambda: rest.issues.create(**HERE, title="never"), status, "POST")
    play("after all", lambda: rest.issues.get(**HERE, issue_number=2))


def ours(target: Target) -> list[Step]:
    """
    Meet what Breakwater refuses.
    """
    with client(target) as hub:
        play = Player((GitHubException,), shown, refused, target.upstream)
        play("not allowed", lambda: hub.rest.repos.delete(**HERE))
        play.fails("in doubt", lambda: hub.rest.issues.create(**HERE, title="twice"), 500, "POST")
        return play.steps
