"""What the session service counts as it happens, so that nobody has to count rows."""

from eventing.counters import Counters

SESSIONS_BY_STATUS = Counters("session_totals", "status")
TEMPLATE_USES = Counters("template_uses", "template_id")
