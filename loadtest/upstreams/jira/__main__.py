"""Run the Jira sandbox as a process."""

from __future__ import annotations

from loadtest.upstreams.jira.server import JiraSandbox
from loadtest.upstreams.process import arguments, run

if __name__ == "__main__":
    parser = arguments("jira", "JIRA_TOKEN")
    parser.add_argument("--user", default="bot@shop.test", help="the address that comes with the token")
    parser.add_argument("--base-url", default=None, help="the address that answers name; the sandbox's own by default")
    parser.add_argument("--search-lag-s", type=float, default=0.0, help="how long a search lags behind what is written")
    run(
        parser,
        lambda options, secret: JiraSandbox(
            secret=secret,
            user=options.user,
            base_url=options.base_url,
            search_lag_s=options.search_lag_s,
            seed=options.seed,
            port=options.port,
        ),
    )
