"""What decides in the session service: one module an aggregate."""

from session.aggregate.session import Session

__all__ = ["Session"]
