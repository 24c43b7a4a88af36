"""Tasks: how late ticks are, what many schedules cost, and the path of one tick to the model."""

from tests.bench import schedules, task_lists, tick_path
from tests.bench.report import Line
from tests.bench.stage import Stage


async def measure(stage: Stage) -> list[Line]:
    """Measure one after the other."""
    return [
        *await schedules.lateness(stage),
        *await schedules.boot(stage),
        *await task_lists.measure(stage),
        *await tick_path.measure(stage),
    ]
