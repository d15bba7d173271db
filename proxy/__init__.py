"""The road: bytes in, bytes out, everything that moves or lasts."""

import os

# aiohttp makes a TLS context of its own as it is imported, and that would open the file: no session key is written.
os.environ.pop("SSLKEYLOGFILE", None)
