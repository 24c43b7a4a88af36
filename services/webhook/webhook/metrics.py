"""The metrics of deliveries."""

from prometheus_client import Counter, Histogram
from runtime.metrics import metrics_of

attempts = Counter(
    "webhook_attempts_total", "Attempts to deliver events to webhooks", ["outcome"], registry=metrics_of("webhook")
)
lag = Histogram(
    "webhook_lag_seconds",
    "Time from an event to the first request that delivers it",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
    registry=metrics_of("webhook"),
)
