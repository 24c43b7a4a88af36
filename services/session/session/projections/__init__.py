"""The read models of the session service, written in the transaction that stores the fact: a module an aggregate."""

from session.projections.session import project

__all__ = ["project"]
