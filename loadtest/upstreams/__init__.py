"""Small stateful stand-ins for vendors' APIs: they remember, count effects, and fail, stall and hang up on command."""
