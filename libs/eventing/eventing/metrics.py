"""The metrics of the event sourcing in a service."""

from prometheus_client import Counter, Gauge, Histogram
from runtime.metrics import Measured, metrics_of

METRICS = metrics_of("eventing")

handled = Counter("messages_handled_total", "Commands and queries answered", ["subject", "reply"], registry=METRICS)
handling = Histogram(
    "message_duration_seconds",
    "Duration from the arrival of a command or query to its answer",
    ["subject"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=METRICS,
)
relayed = Counter("events_relayed_total", "Events published to the bus", registry=METRICS)
relay_unreadable = Counter(
    "relay_unreadable_total", "Stored events skipped because no release can read them", registry=METRICS
)
relay_conflicts = Counter(
    "relay_conflicts_total", "Publishes refused because another relay was first", registry=METRICS
)
relay_diverged = Gauge(
    "relay_diverged", "1 while the relay is stopped: database and stream do not share one history", registry=METRICS
)
relay_lag = Gauge(
    "relay_lag_seconds",
    "How long the oldest unpublished event has waited for the relay of this process",
    registry=METRICS,
)
relay_held_back = Gauge(
    "relay_held_back_seconds", "Age of the open transaction that blocks the relay; 0 without one", registry=METRICS
)
projector_stopped = Gauge(
    "projector_stopped", "1 while a projector is stopped and cannot continue by itself", ["projector"], registry=METRICS
)
projector_unreadable = Counter(
    "projector_unreadable_total", "Events skipped because no release can read them", ["projector"], registry=METRICS
)
projector_pending = Measured(
    "projector_pending", "Events that a projector has not projected yet", ["projector"], registry=METRICS
)
reaction_pending = Measured(
    "reaction_pending", "Events that the bus has not delivered to a reaction yet", ["reaction"], registry=METRICS
)
stream_bytes = Measured(
    "stream_bytes", "Size of a stream on the bus; `WORK_…` accept no more when full", ["stream"], registry=METRICS
)
stream_max_bytes = Measured(
    "stream_bytes_max", "Limit of the size of a stream; absent if it has none", ["stream"], registry=METRICS
)
connections = Gauge(
    "database_connections", "Open connections of a pool, by what they are", ["pool", "state"], registry=METRICS
)
max_connections = Gauge("database_connections_max", "Connections that a pool may open", ["pool"], registry=METRICS)
dead_letters = Gauge(
    "dead_letters", "Events that a reaction has given up, until they are replayed", ["reaction"], registry=METRICS
)
reacted = Counter("reactions_total", "Outcomes of deliveries to reactions", ["reaction", "outcome"], registry=METRICS)
offered = Counter(
    "work_offered_total", "Offers of work to the replica that prefers it", ["reaction", "outcome"], registry=METRICS
)
reacting = Gauge("reactions_running", "Events being processed by reactions", ["reaction"], registry=METRICS)
swept = Counter(
    "work_swept_total", "Unfinished work resumed because its lease had expired", ["reaction"], registry=METRICS
)
snapshots_unreadable = Counter(
    "snapshots_unreadable_total", "Snapshots ignored because they cannot be read", registry=METRICS
)
due = Counter("due_total", "Due times processed", ["kind", "outcome"], registry=METRICS)
due_lateness = Histogram(
    "due_lateness_seconds",
    "Delay between a due time and the sending of its command",
    ["kind"],
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
    registry=METRICS,
)
