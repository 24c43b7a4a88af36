"""The refusal of what would exceed a quota."""

from datetime import datetime
from decimal import Decimal

from contracts.refusals import Code, Refusal
from prometheus_client import Counter
from runtime import clock
from runtime.metrics import metrics_of

refused = Counter(
    "quota_refused", "Commands and runs that a quota has refused or ended", ["quota"], registry=metrics_of("session")
)


def exceeded(
    quota: str, used: Decimal | int, limit: Decimal | int, resets_at: datetime | None = None, *, detail: str = ""
) -> Refusal:
    """Return the refusal that names the quota, its limit, and when it starts again at 0, and count it."""
    refused.labels(quota).inc()
    resets = f" It resets at {_text(resets_at)}." if resets_at else ""
    left = max(1, int((resets_at - clock.now()).total_seconds()) + 1) if resets_at else None
    data = {"quota": quota, "limit": _number(limit), "used": _number(used), "resets_at": resets_at and _text(resets_at)}
    text = detail or f"The quota {quota} is used up: {_number(used)} of {_number(limit)}.{resets}"
    return Refusal(Code.QUOTA_EXCEEDED, text, retry_after=left, data=data)


def _number(value: Decimal | int) -> float | int:
    return float(value) if isinstance(value, Decimal) else value


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")
