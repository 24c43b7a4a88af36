"""Numbers and times as readers expect them. All times are in UTC."""

from datetime import datetime
from decimal import Decimal

NOTHING = "—"
"""Shown where there is no value."""
_UNITS = ("KB", "MB", "GB", "TB")


def duration(milliseconds: int | None) -> str:
    """Return a duration such as `850 ms`, `4.2 s`, `3 min 20 s` or `2 h 05 min`."""
    if milliseconds is None:
        return NOTHING
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def money(usd: Decimal) -> str:
    """Return an amount in USD, with four decimals below one dollar."""
    return f"${usd:,.2f}" if usd >= 1 or not usd else f"${usd:.4f}"


def number(value: int) -> str:
    """Return a whole number with separators of thousands."""
    return f"{value:,}"


def short_number(value: float) -> str:
    """Return a number in at most four characters and a unit: `950`, `12.4k`, `3.1M`."""
    for limit, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if value >= limit:
            return f"{value / limit:.1f}".removesuffix(".0") + unit
    return f"{value:g}"


def size(value: int | None) -> str:
    """Return a number of bytes in a fitting unit (1 KB is 1,000 bytes); None is a file that no longer exists."""
    if value is None:
        return "deleted"
    if value < 1000:
        return f"{value} B"
    exponent = next(n for n, _ in enumerate(_UNITS, start=1) if value < 999.95 * 1000**n or n == len(_UNITS))
    return f"{value / 1000**exponent:.1f} {_UNITS[exponent - 1]}"


def count(value: int, noun: str) -> str:
    """Return `1 run` or `3 runs`."""
    return f"{value:,} {noun}" if value == 1 else f"{value:,} {noun}s"


def day_time(at: datetime | None) -> str:
    """Return date and time to the minute, or a dash."""
    return f"{at:%Y-%m-%d %H:%M}" if at else NOTHING


def time(at: datetime | None) -> str:
    """Return the time of day to the second, or a dash."""
    return f"{at:%H:%M:%S}" if at else NOTHING


def words(code: str) -> str:
    """Return a code such as `waiting_approval` as words."""
    return code.replace("_", " ").lower()
