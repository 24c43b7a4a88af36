"""The rules of rate limits, as the setting RATE_LIMITS writes them."""

from dataclasses import dataclass
from typing import Literal, Self, get_args

from contracts.identity.values import ROLES, Role
from limits import RateLimitItem, parse_many
from runtime.named_values import NamedValues

type Kind = Literal["read", "write", "login", "stream"]
"""The class of a request. Each message over a WebSocket that changes something is a `write`."""
type Payer = Role | Literal["anonymous"]

KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
PAYERS: tuple[Payer, ...] = (*ROLES, "anonymous")
DEFAULT = "default"
DEFAULT_LIMITS = "60/minute;1000/hour"
UNLIMITED = "none"
MAX_WINDOW_SECONDS = 3600
"""Counters are kept for two windows; longer windows would keep those of short ones for too long as well."""


@dataclass(frozen=True)
class Rule:
    """Limits that apply together. All requests of a client under one rule share its counters."""

    name: str
    limits: tuple[RateLimitItem, ...]


class Rules:
    """The rules by name: `default`, a role, a class of requests, or both, as in `viewer.read`."""

    def __init__(self, by_name: dict[str, Rule]) -> None:
        self.by_name = by_name

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the rules of a setting. One without a name is the default for all requests.

        Raises:
            ValueError: see `NamedValues`.
        """
        return cls({DEFAULT: _rule(DEFAULT, DEFAULT_LIMITS)} | _RULES.parse(text))

    def find(self, payer: Payer, kind: Kind) -> Rule:
        """Return the most specific rule: by role and class of requests, by class, by role, or the default."""
        names = (f"{payer}.{kind}", kind, payer, DEFAULT)
        return next(self.by_name[name] for name in names if name in self.by_name)


def _rule(name: str, text: str) -> Rule:
    return Rule(name, _limits(text))


def _limits(text: str) -> tuple[RateLimitItem, ...]:
    if text == UNLIMITED:
        return ()
    try:
        limits = tuple(sorted(parse_many(text), key=RateLimitItem.get_expiry))
    except ValueError:
        raise ValueError("must be limits like 60/minute;1000/hour, or none") from None
    if not all(limit.amount and 0 < limit.get_expiry() <= MAX_WINDOW_SECONDS for limit in limits):
        raise ValueError("limits must allow at least one request, within at most an hour")
    if len({limit.get_expiry() for limit in limits}) < len(limits):
        raise ValueError("a rule must not have two limits for the same time")
    return limits


_RULES = NamedValues(
    _rule,
    example="120/minute;2000/hour, login=10/minute, admin=none, viewer.read=30/minute",
    names=KINDS,
    alone=(DEFAULT, *PAYERS),
    roles=PAYERS,
    unnamed=DEFAULT,
)
