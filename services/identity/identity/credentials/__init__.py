"""Credentials: passwords, keys and tokens, and what limits attempts to log in."""
