"""Doubt: writes of which nobody knows whether they took effect, and how that is found out."""
