"""What the event-sourcing side of a service counts."""

from prometheus_client import Counter, Gauge, Histogram

handled = Counter("messages_handled_total", "Commands and queries answered", ["subject", "reply"])
relayed = Counter("facts_relayed_total", "Facts published to the bus")
relay_unreadable = Counter("relay_unreadable_total", "Stored facts passed over because nobody can read them")
relay_conflicts = Counter("relay_conflicts_total", "Publishes refused because another relay was first")
relay_diverged = Gauge("relay_diverged", "1 while the relay stands still: database and stream are not of one history")
relay_lag = Gauge("relay_lag_seconds", "How long the oldest event waits that the relay of this process did not publish")
relay_held_back = Gauge(
    "relay_held_back_seconds", "Age of the open transaction that holds the relay back; 0 without one"
)
projector_stopped = Gauge(
    "projector_stopped", "1 while a projector stands still: it cannot go on by itself", ["projector"]
)
projector_unreadable = Counter(
    "projector_unreadable_total", "Events passed over as nobody can read them", ["projector"]
)
reacted = Counter("reactions_total", "Facts reacted to", ["reaction", "outcome"])
reacting = Gauge("reactions_running", "Facts being reacted to", ["reaction"])
swept = Counter("work_swept_total", "Unfinished work taken up because nobody gave a sign of life for it", ["reaction"])
snapshots_unreadable = Counter("snapshots_unreadable_total", "Snapshots passed over because they cannot be read")
due = Counter("due_total", "Due times acted on", ["kind", "outcome"])
due_lateness = Histogram(
    "due_lateness_seconds",
    "How long after its time something due was done",
    ["kind"],
    buckets=(0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600),
)
