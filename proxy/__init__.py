"""The road: bytes in, bytes out, everything that moves or lasts."""
