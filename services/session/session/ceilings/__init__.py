"""Ceilings: the most that the operator allows the agents of users with a role."""

from session.ceilings.ceiling import UNLIMITED, Ceiling
from session.ceilings.rules import Ceilings

__all__ = ["UNLIMITED", "Ceiling", "Ceilings"]
