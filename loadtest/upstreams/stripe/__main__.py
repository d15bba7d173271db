"""Run the Stripe sandbox as a process."""

from __future__ import annotations

from loadtest.upstreams.process import arguments, run
from loadtest.upstreams.stripe.server import StripeSandbox

if __name__ == "__main__":
    run(
        arguments("stripe", "STRIPE_SECRET"),
        lambda options, secret: StripeSandbox(secret=secret, seed=options.seed, port=options.port),
    )
