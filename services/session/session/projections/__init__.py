"""The read models of the session service: one module an aggregate."""

from session.projections.session import project

__all__ = ["project"]
