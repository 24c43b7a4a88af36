"""The numbers that an agent reports, bounded where they are read, because programs in its sandbox can forge them."""

from decimal import Decimal

MAX_TOKENS = 10**10
MAX_COST_USD = 10_000
MAX_DURATION_MS = 7 * 24 * 3_600_000
COST_DECIMALS = 10


def token_count(value: object) -> int:
    """Return a reported number of tokens: not negative, and below any real one; 0 if it is no number."""
    return int(_bounded(value, MAX_TOKENS))


def milliseconds(value: object) -> int:
    """Return a reported duration, bounded as tokens are."""
    return int(_bounded(value, MAX_DURATION_MS))


def dollars(value: object) -> Decimal:
    """Return a reported cost, bounded as tokens are."""
    return round(Decimal(str(_bounded(value, MAX_COST_USD))), COST_DECIMALS)


def _bounded(value: object, limit: int) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return min(value, limit) if value > 0 else 0  # NaN is not above 0
