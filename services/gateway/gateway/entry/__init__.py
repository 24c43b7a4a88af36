"""Middleware around every request, whichever route serves it."""
