"""The aggregates of the session service. Session has one module per subject."""

from session.aggregate.session import Session
from session.aggregate.template import SessionTemplate

__all__ = ["Session", "SessionTemplate"]
