"""Releases and the files that are uploaded to them."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

from loadtest.upstreams.answer import Answer
from loadtest.upstreams.github.call import Call, Urls, View, nothing, shown
from loadtest.upstreams.github.errors import GithubError, invalid, not_found
from loadtest.upstreams.github.people import iso, iso_or_null, simple
from loadtest.upstreams.github.repositories import repo_url
from loadtest.upstreams.github.state import Asset, Release, Repo

_TYPES = {
    "tag_name": "string",
    "target_commitish": "string",
    "name": "string|null",
    "body": "string|null",
    "draft": "boolean",
    "prerelease": "boolean",
}


def release(urls: Urls, repo: Repo, thing: Release) -> View:
    """
    Show a release.
    """
    api, html = repo_url(urls, repo), f"{urls.html}/{repo.full_name}/releases"
    url = f"{api}/releases/{thing.id}"
    return {
        "url": url,
        "assets_url": f"{url}/assets",
        "upload_url": f"{urls.uploads}/repos/{repo.full_name}/releases/{thing.id}/assets{{?name,label}}",
        "html_url": f"{html}/tag/{quote(thing.tag_name)}",
        "id": thing.id,
        "node_id": f"RE_{thing.id}",
        "author": simple(urls, thing.author),
        "tag_name": thing.tag_name,
        "target_commitish": thing.target_commitish,
        "name": thing.name,
        "draft": thing.draft,
        "immutable": False,
        "prerelease": thing.prerelease,
        "created_at": iso(thing.created_at),
        "updated_at": iso(thing.created_at),
        "published_at": iso_or_null(thing.published_at),
        "assets": [_asset(urls, repo, thing, asset) for asset in thing.assets.values()],
        "tarball_url": f"{api}/tarball/{quote(thing.tag_name)}",
        "zipball_url": f"{api}/zipball/{quote(thing.tag_name)}",
        "body": thing.body,
    }


def _asset(urls: Urls, repo: Repo, thing: Release, asset: Asset) -> View:
    download = f"{urls.html}/{repo.full_name}/releases/download/{quote(thing.tag_name)}/{quote(asset.name)}"
    return {
        "url": f"{repo_url(urls, repo)}/releases/assets/{asset.id}",
        "id": asset.id,
        "node_id": f"RA_{asset.id}",
        "name": asset.name,
        "label": asset.label,
        "uploader": simple(urls, asset.uploader),
        "content_type": asset.content_type,
        "state": "uploaded",
        "size": len(asset.data),
        "digest": f"sha256:{hashlib.sha256(asset.data).hexdigest()}",
        "download_count": 0,
        "created_at": iso(asset.at),
        "updated_at": iso(asset.at),
        "browser_download_url": download,
    }


def _of(repo: Repo, id_: str) -> Release:
    found = repo.releases.get(int(id_)) if id_.isdigit() else None
    if found is None:
        raise not_found()
    return found


def create(call: Call, repo: Repo) -> Answer:
    """
    Release a tag; one that is not there is made, unless it is only a draft.
    """
    given = call.given(_TYPES, "tag_name")
    tag, target = given["tag_name"], given.get("target_commitish", repo.default_branch)
    if not tag:
        raise invalid("Release", "tag_name", "missing_field")
    _free(repo, tag, None)
    if repo.git.resolve(target) is None:
        raise invalid("Release", "target_commitish", "invalid")
    made = Release(call.world.mint(), call.world.me, tag, target, call.world.now())
    repo.releases[made.id] = made
    _apply(call, repo, made, given)
    call.world.done("release.created", repo, "release", made.id)
    return call.created(release(call.urls, repo, made))


def _free(repo: Repo, tag: str, was: Release | None) -> None:
    if any(each.tag_name == tag and not each.draft and each is not was for each in repo.releases.values()):
        raise invalid("Release", "tag_name", "already_exists")


def _apply(call: Call, repo: Repo, thing: Release, given: dict[str, object]) -> None:
    for name, value in given.items():
        setattr(thing, name, value)
    if thing.draft or thing.published_at is not None:
        return
    thing.published_at = call.world.now()
    commit = repo.git.resolve(thing.target_commitish)
    if commit is not None:
        repo.git.refs.setdefault(f"refs/tags/{thing.tag_name}", commit.sha)


def update(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Change what is named, leave the rest; a draft that is none any more is published.
    """
    thing, given = _of(repo, id_), call.given(_TYPES)
    _free(repo, given.get("tag_name", thing.tag_name), thing)
    _apply(call, repo, thing, given)
    call.world.done("release.updated", repo, "release", thing.id)
    return shown(release(call.urls, repo, thing))


def get(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Show a release.
    """
    return shown(release(call.urls, repo, _of(repo, id_)))


def latest(call: Call, repo: Repo) -> Answer:
    """
    Show the newest release that is neither a draft nor a prerelease.
    """
    found = [each for each in repo.releases.values() if not each.draft and not each.prerelease]
    if not found:
        raise not_found()
    return shown(release(call.urls, repo, found[-1]))


def of_tag(call: Call, repo: Repo, tag: str) -> Answer:
    """
    Show the release of a tag.
    """
    for each in repo.releases.values():
        if each.tag_name == tag and not each.draft:
            return shown(release(call.urls, repo, each))
    raise not_found()


def delete(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Delete a release; its tag stays.
    """
    thing = repo.releases.pop(_of(repo, id_).id)
    call.world.done("release.deleted", repo, "release", thing.id)
    return nothing()


def list_(call: Call, repo: Repo) -> Answer:
    """
    List releases, newest first.
    """
    return call.page(reversed(repo.releases.values()), lambda thing: release(call.urls, repo, thing))


# -------------------------------------------------------------------------------------------------------------- assets


def upload(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Keep the body as a file of the release, under the name in the query.
    """
    thing, name = _of(repo, id_), call.query.get("name", "")
    if not name:
        raise GithubError(400, "Bad Request", errors=["name is missing"])
    if any(each.name == name for each in thing.assets.values()):
        raise invalid("ReleaseAsset", "name", "already_exists")
    kind = call.seen.header("Content-Type") or "application/octet-stream"
    made = Asset(
        call.world.mint(), name, call.query.get("label"), kind, call.seen.body, call.world.me, call.world.now()
    )
    thing.assets[made.id] = made
    call.world.done("asset.created", repo, "asset", made.id)
    return call.created(_asset(call.urls, repo, thing, made))


def _asset_of(repo: Repo, id_: str) -> tuple[Release, Asset]:
    for thing in repo.releases.values():
        if id_.isdigit() and int(id_) in thing.assets:
            return thing, thing.assets[int(id_)]
    raise not_found()


def asset(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Show an asset, or send its bytes where those are asked for.
    """
    thing, found = _asset_of(repo, id_)
    if "application/octet-stream" in (call.seen.header("Accept") or ""):
        return Answer(200, found.data, {"Content-Type": found.content_type})
    return shown(_asset(call.urls, repo, thing, found))


def assets(call: Call, repo: Repo, id_: str) -> Answer:
    """
    List a release's assets.
    """
    thing = _of(repo, id_)
    return call.page(thing.assets.values(), lambda each: _asset(call.urls, repo, thing, each))


def delete_asset(call: Call, repo: Repo, id_: str) -> Answer:
    """
    Delete an asset.
    """
    thing, found = _asset_of(repo, id_)
    del thing.assets[found.id]
    call.world.done("asset.deleted", repo, "asset", found.id)
    return nothing()
