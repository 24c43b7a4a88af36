"""What the event-sourcing side of a service counts."""

from prometheus_client import Counter, Gauge

handled = Counter("messages_handled_total", "Commands and queries answered", ["subject", "reply"])
relayed = Counter("facts_relayed_total", "Facts published to the bus")
relay_unreadable = Counter("relay_unreadable_total", "Stored facts passed over because nobody can read them")
relay_conflicts = Counter("relay_conflicts_total", "Publishes refused because another relay was first")
reacted = Counter("reactions_total", "Facts reacted to", ["reaction", "outcome"])
reacting = Gauge("reactions_running", "Facts being reacted to", ["reaction"])
swept = Counter("work_swept_total", "Unfinished work taken up because nobody gave a sign of life for it", ["reaction"])
