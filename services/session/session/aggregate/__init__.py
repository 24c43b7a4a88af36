"""What decides in the session service: a Session, and in modules of their own what it decides on one subject."""

from session.aggregate.session import Session
from session.aggregate.template import SessionTemplate

__all__ = ["Session", "SessionTemplate"]
