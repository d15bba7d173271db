"""Judgement: may this call pass, and in what form? No HTTP, no clock, no randomness, no logging."""
