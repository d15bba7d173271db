"""Run the GitHub sandbox as a process."""

from __future__ import annotations

import argparse

from loadtest.upstreams.github.server import GithubSandbox
from loadtest.upstreams.process import arguments, run


def main() -> None:
    """
    Read the arguments and serve.
    """
    parser = arguments("github", "GITHUB_SECRET")
    parser.add_argument("--login", default="ada", help="the user whose token it is")
    parser.add_argument("--repo", action="append", help="OWNER/NAME; may be given again")
    parser.add_argument("--base-url", help="what addresses in bodies begin with; the sandbox's own unless told")
    parser.add_argument("--uploads-url", help="the same for uploads")
    parser.add_argument("--link-url", help="the same for Link and Location")
    parser.add_argument("--list-lag-s", type=float, default=0.0, help="how long a list lags behind what is made")
    parser.add_argument("--by-id", action="store_true", help="name repositories by id in Link and redirects")
    run(parser, _built)


def _built(options: argparse.Namespace, secret: str) -> GithubSandbox:
    return GithubSandbox(
        secret=secret,
        seed=options.seed,
        port=options.port,
        login=options.login,
        repos=options.repo or ("ada/engine", "looms/site"),
        base_url=options.base_url,
        uploads_url=options.uploads_url,
        link_url=options.link_url,
        by_id=options.by_id,
        list_lag_s=options.list_lag_s,
    )


if __name__ == "__main__":
    main()
