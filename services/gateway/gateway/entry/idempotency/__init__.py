"""Requests with an Idempotency-Key: stored, replayed, and continued after a crash."""
