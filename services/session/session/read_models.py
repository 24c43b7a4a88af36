"""The read models that can be rebuilt from the events of this service."""

from contracts.session.fork import SessionForked
from eventing.rebuilding import ReadModel, ReadModels

OUTLIVE = "it counts what deleted sessions have used, and their events are erased"
OF_FORK = "old.session_id IN (SELECT id FROM sessions WHERE parent_session_id IS NOT NULL)"
COUNT_TOOL_CALLS = """
    UPDATE sessions SET total_tool_calls = (SELECT count(*) FROM tool_calls WHERE session_id = sessions.id)
    WHERE parent_session_id IS NOT NULL"""

SESSIONS = ReadModel(
    "sessions",
    (
        *("sessions", "session_counts", "session_totals", "session_origins", "runs", "waiting_sessions"),
        *("messages", "tool_calls", "approvals", "archives"),
    ),
    kept={"runs": ("charged_usd", "meter", "meter_usd", "worked_ms")},  # of an agent at work
    added={"messages": OF_FORK, "tool_calls": OF_FORK},  # copied from the parent, which may be erased
    finish=(COUNT_TOOL_CALLS,),
    reads_others=(SessionForked,),
)
TEMPLATES = ReadModel("templates", ("session_templates",))

READ_MODELS = ReadModels(
    (SESSIONS, TEMPLATES),
    {
        "accounts": "it is the read model of another service's events, so the running service rebuilds it",
        "begun_calls": "agents write it",
        "conversations": "agents write it",
        "copied_runs": "runs of forks are copied",
        "costs": OUTLIVE,
        "mcp_calls": "agents write it",
        "role_quotas": "it is a setting",
        "session_environments": "it contains secrets",
        "session_storage": "it measures files",
        "shared_folders": "it is a setting",
        "storage_used": "it measures files",
        "template_uses": "it counts deleted sessions, too, and their events are erased",
        "transcript": "agents write it",
        "unbilled_runs": OUTLIVE,
        "usage": OUTLIVE,
    },
)
