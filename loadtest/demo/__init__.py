"""
The demo: an agent works through the vendors' own SDKs, Breakwater stands in front of the sandboxes, a scene is a line.

Each scene says what must come out and fails the run if anything else does. Everything that is started is stopped, and
the one folder that it all lives in, inside the checkout, is removed.
"""
