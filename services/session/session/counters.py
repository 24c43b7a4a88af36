"""The counters of the session service, maintained with each event so that no query has to count rows."""

from eventing.database.counters import Counters

SESSIONS_BY_STATUS = Counters("session_totals", "status")
TEMPLATE_USES = Counters("template_uses", "template_id")
