"""
Small stateful stand-ins for vendors' APIs: they remember, count effects, and fail, stall and hang up on command.

What they share stands here: `sandbox` listens and leads a request through its steps, `faults` are failures on command,
`deliver` and `malformed` put an answer on the wire, `wiretap` writes down what came, `control` is the door of a test in
another process, `effects` counts what was done, `process` runs one by itself. A vendor's folder adds the rest.
They import nothing of ours, so that they cannot share a mistake with what they judge.
"""
