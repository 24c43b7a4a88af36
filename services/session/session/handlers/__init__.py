"""What the session service does on a command: one module an aggregate."""

from session.handlers.session import handles

__all__ = ["handles"]
