"""`python -m tests.bench [NAME...]`: measure all, or some; nothing is asserted."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import uvloop
from runtime import logging
from runtime.usage import show_help

from tests.bench import (
    append,
    barrier,
    cpu,
    create,
    fairness,
    fresh,
    hops,
    idle,
    keys,
    limits,
    lists,
    long,
    mcp,
    query,
    reads,
    rebuild,
    relay,
    replicas,
    reports,
    sessions,
    streams,
    tasks,
    webhooks,
)
from tests.bench.report import Line, Section, load, table
from tests.bench.stage import Stage

type Measure = Callable[[Stage], Awaitable[list[Line]]]

BENCHES: dict[str, tuple[str, Measure]] = {
    "create": ("Creating sessions, 8 clients", create.measure),
    "reads": ("Reading sessions, one client", reads.measure),
    "hops": ("The path of one command, hop by hop, one client", hops.measure),
    "append": ("Appending events of new aggregates", append.measure),
    "relay": ("From the commit to the bus", relay.measure),
    "long": ("A session of 1,000 runs", long.measure),
    "query": ("A query to a warm session", query.measure),
    "idle": ("Memory of services alone, and of an idle system", idle.measure),
    "fresh": ("Fresh sessions, one each second and 50 at once", fresh.measure),
    "barrier": ("A tool call is stored before it begins", barrier.measure),
    "streams": ("Following sessions", streams.measure),
    "sessions": (
        "50 sessions at once, by a model that takes 1 s; ratios to that second",
        sessions.measure,
    ),
    "replicas": ("A conversation over two replicas of the session service", replicas.measure),
    "limits": ("Rate limits, counted on the bus", limits.measure),
    "fairness": ("A user beside another with 32 clients", fairness.measure),
    "keys": ("Idempotency keys, one client", keys.measure),
    "list": ("A list of 50 sessions", lists.measure),
    "tasks": ("Tasks and their schedules", tasks.measure),
    "mcp": ("Calls of MCP tools over Streamable HTTP", mcp.measure),
    "reports": ("Reports as PDF", reports.measure),
    "rebuild": ("A read model of a million events", rebuild.measure),
    "webhooks": ("Events to a webhook", webhooks.measure),
}


def main(names: list[str]) -> str | None:
    """Measure, and print the table; return the error in the names."""
    show_help(f"usage: python -m tests.bench [NAME...]\n\nnames: {', '.join(BENCHES)}", names)
    if unknown := set(names) - set(BENCHES):
        return f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}"
    logging.set_up("bench", "ERROR")
    began, sections = load(), list[Section]()
    with Stage() as stage, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for name in names or BENCHES:
            sections.append(runner.run(_section(name, stage)))
    sys.stdout.write("\n" + table(sections, began))
    return None


async def _section(name: str, stage: Stage) -> Section:
    title, measure = BENCHES[name]
    watch, since = cpu.Watch(), time.monotonic()
    async with stage.section:
        lines = await measure(stage)
        others = watch.others()
    sys.stderr.write(f"{name}: {time.monotonic() - since:.0f} s\n")
    return Section(title, others, lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
