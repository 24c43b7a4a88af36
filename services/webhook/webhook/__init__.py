"""Webhooks: signed requests that report events to the servers of users."""
