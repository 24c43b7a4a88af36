"""What decides in the session service: one module an aggregate."""

from session.aggregate.session import Session
from session.aggregate.template import SessionTemplate

__all__ = ["Session", "SessionTemplate"]
