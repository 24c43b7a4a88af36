"""The definition of a rule, and the list of all."""

from collections.abc import Callable
from pathlib import Path

type Rule = Callable[[Path], list[str]]

RULES: list[Rule] = []


def rule(function: Rule) -> Rule:
    RULES.append(function)
    return function
