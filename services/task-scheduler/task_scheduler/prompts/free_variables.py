"""Variables that scheduled executions have in addition to those of their task."""

from datetime import UTC, datetime

from task_scheduler.schedule.wall_clock import WallClock


def free_variables(task_name: str, scheduled_for: datetime, timezone: str) -> dict[str, str]:
    """Return date and time of a tick in the time zone of the schedule, the instant in UTC, and the task's name."""
    local = WallClock.of(timezone).show(scheduled_for)
    return {
        "date": f"{local:%Y-%m-%d}",
        "time": f"{local:%H:%M}",
        "scheduled_for": f"{scheduled_for.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "task_name": task_name,
    }
