"""Who reads whose events, beyond the gateway, which reads all of them. Permissions on the bus derive from it.

Tests compare it with the services. Which services send a command or a query is in its class (`senders`).
"""

from contracts.catalogue import SERVICES

GATEWAY, OPERATOR = "gateway", "operator"
"""The operator's user may do everything: replay dead letters, and change or delete streams."""
PROJECTED: dict[str, tuple[str, ...]] = {
    "identity": tuple(service for service in SERVICES if service != "identity"),
    "session": ("identity",),
    "webhook": SERVICES,
}
"""The services whose events a service projects into a read model of its own."""
REACTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "report": {"task_scheduler": ("report_completed_execution", "report_failed_execution", "report_late_execution")},
    "task_scheduler": {
        "session": (
            *("complete_attempt", "fail_attempt", "record_usage", "cancel_with_run", "cancel_with_session"),
            *("start_on_session_created", "start_on_session_paused", "start_on_session_deleted"),
            *("start_on_session_archived", "start_on_session_archive_failed", "start_on_session_unarchived"),
            *("start_on_session_fork_completed", "start_on_session_fork_failed"),
            *("start_on_session_run_completed", "start_on_session_run_failed", "start_on_session_run_cancelled"),
            "start_on_session_approval_requested",
        )
    },
}
"""The reactions of a service to the events of another one, by the name of the latter."""
OFFERING = ("session",)
"""The services whose replicas offer work to each other."""
