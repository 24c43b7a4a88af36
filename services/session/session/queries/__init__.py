"""What the session service answers: one module an aggregate."""

from session.queries.session import answers

__all__ = ["answers"]
