"""`python -m tests.chaos.kills [--help]`: kill what works on a run, at each step of a call, and judge its end."""

import argparse
import asyncio
import contextlib
import os
import secrets
import signal
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from eventing.database import Database
from onebox.testing.stand_in import stand_in
from runtime import logging
from runtime.testing import eventually
from simulator.testing import bash, scripted

from tests.chaos.cluster import Cluster
from tests.chaos.users import User
from tests.e2e.processes import processes

KILLS, WITHIN_SECONDS, PAUSE_SECONDS = 200, 120.0, 0.2
WORKERS = ("session-1", "session-2")
RUN_STARTED = "SELECT attempt > 0 FROM runs WHERE id = $1"
CALL_STORED = "SELECT EXISTS (SELECT FROM tool_calls WHERE run_id = $1)"
RESULT_STORED = "SELECT EXISTS (SELECT FROM tool_calls WHERE run_id = $1 AND status = 'success')"
MOMENTS = {"asked": RUN_STARTED, "stored": CALL_STORED, "started": "begun", "ended": "words", "recorded": RESULT_STORED}
"""When a kill comes: the statement, or the file with the word of the run, that says so."""
VICTIMS = ("agent", "worker", "workers", "everything", "stalled worker", "stopped worker")
"""What is killed. A `stalled` worker cannot store anything for a second before; a `stopped` one gets SIGTERM."""
HONEST = frozenset({"RUN_INTERRUPTED", "AGENT_FAILED"})
OUTCOME = """
    SELECT status, coalesce(error_code, '') AS code, coalesce(error_detail, '') AS detail, attempt, (
        SELECT count(*) FROM messages m WHERE m.run_id = r.id AND message_type = 'assistant'
            AND content ->> 'content' LIKE '%' || $2 || '%') AS said, (
        SELECT count(*) FROM tool_calls t WHERE t.run_id = r.id AND t.status IN ('interrupted', 'unknown')) AS cut_off
    FROM runs r WHERE id = $1 AND ended_at IS NOT NULL"""


@dataclass(frozen=True)
class Kill:
    """A kill, `after` so many seconds beyond a moment; what was killed is started again after `down` seconds."""

    moment: str
    victim: str
    after: float
    down: float


@dataclass
class Report:
    """How the runs have ended, and what does not hold."""

    ends: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    longest: dict[str, float] = field(default_factory=dict[str, float])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([
            f"kills: {self.ends.total()}",
            *(f"  {end}: {n}" for end, n in sorted(self.ends.items())),
            *(f"  answers {answer}: {n}" for answer, n in sorted(self.answers.items())),
            *(f"  longest until the end, {victim}: {seconds:.0f} s" for victim, seconds in self.longest.items()),
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ])  # fmt: skip


def plan(seed: int, kills: int) -> list[Kill]:
    """Return so many kills; every victim is killed at every moment before any pair is repeated."""
    random = Random(seed)  # noqa: S311  a seed is the point
    pairs = [(moment, victim) for moment in MOMENTS for victim in VICTIMS]
    planned = list[Kill]()
    while len(planned) < kills:
        chosen = random.sample(pairs, len(pairs))
        planned += [Kill(*pair, random.uniform(0, 0.3), random.uniform(0.5, 3)) for pair in chosen]
    return planned[:kills]


class Killer:
    """Starts a run for each kill, and judges it."""

    def __init__(self, cluster: Cluster, database: Database, user: User, report: Report) -> None:
        self.cluster, self.database, self.user, self.report = cluster, database, user, report
        self.sessions = list[str]()

    async def work(self, kill: Kill) -> None:
        """Start a run, kill what works on it, start that again, and note how the run ends."""
        word, options = secrets.token_hex(8), {"allowed_tools": ["Bash"]}
        body = {"name": "one", "mode": "non_interactive", "sdk_options": options}
        session_id = (await self.user.sure("POST", "/sessions", json=body))["id"]
        self.sessions.append(session_id)
        command = f"echo {word} >> begun; sleep 0.5; echo {word} >> words"
        message = scripted({**bash(command), "delay": 0.2}, {"text": word, "delay": 0.3}, text="Note it.")
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(self._ask(session_id, message))
            run_id = await eventually(lambda: self._value("SELECT id FROM runs WHERE session_id = $1", session_id))
            files = self.cluster.folder.workspaces / session_id
            await eventually(lambda: self._has_come(kill.moment, run_id, files), within=WITHIN_SECONDS)
            await asyncio.sleep(kill.after)
            began = time.monotonic()
            await self._inject(kill, session_id)
            row = await eventually(lambda: self._ended(run_id, word), within=WITHIN_SECONDS)
            longest = max(self.report.longest.get(kill.victim, 0), time.monotonic() - began)
            self.report.longest[kill.victim] = longest
        self._judge(kill, row, Counter(_words(files / "begun")), Counter(_words(files / "words")), asked.result())

    async def _ask(self, session_id: str, message: str) -> int:
        gateway = self.user.random.choice(self.cluster.gateways)
        with contextlib.suppress(httpx.HTTPError):
            url = f"{gateway}/api/v1/sessions/{session_id}/query"
            return (await self.user.http.post(url, json={"message": message}, timeout=WITHIN_SECONDS)).status_code
        return 0

    async def _row(self, statement: str, *arguments: object) -> Any:
        with contextlib.suppress(Exception):  # the database may be killed
            return await self.database.fetchrow(statement, *arguments)

    async def _value(self, statement: str, *arguments: object) -> Any:
        row = await self._row(statement, *arguments)
        return row and next(iter(row.values()))

    async def _ended(self, run_id: Any, word: str) -> Any:
        await asyncio.sleep(PAUSE_SECONDS)
        return await self._row(OUTCOME, run_id, word)

    async def _has_come(self, moment: str, run_id: Any, files: Path) -> bool:
        said = MOMENTS[moment]
        return bool(await self._value(said, run_id)) if " " in said else (files / said).exists()

    async def _inject(self, kill: Kill, session_id: str) -> None:
        if kill.victim == "agent":
            for pid in agents_of(session_id):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return
        targets = self._targets(kill.victim, session_id)
        if kill.victim == "stalled worker":
            self.cluster.stop("postgres")
            await asyncio.sleep(1)
        for target in targets:
            (self.cluster.terminate if kill.victim == "stopped worker" else self.cluster.kill)(target)
        if kill.victim == "stalled worker":
            self.cluster.let_go_on("postgres")
        await asyncio.sleep(kill.down)
        for target in reversed(targets):  # the servers first
            while not self.cluster.revive(target):  # noqa: ASYNC110  it is asked until it is done
                await asyncio.sleep(0.1)
        await asyncio.to_thread(self.cluster.wait_until_ready)

    def _targets(self, victim: str, session_id: str) -> list[str]:
        if victim == "workers":
            return [*WORKERS]
        if victim == "everything":
            services = [check.child.name for check in self.cluster.checks if check.child.name != "simulator"]
            return [*services, "nats", "postgres"]
        holders = {self.cluster.child(name).pid: name for name in WORKERS}
        for pid in agents_of(session_id):
            while pid > 1:
                if pid in holders:
                    return [holders[pid]]
                pid = _parent(pid)
        return [self.user.random.choice(WORKERS)]

    def _judge(self, kill: Kill, row: Any, begun: Counter[str], words: Counter[str], answer: int) -> None:
        report, about = self.report, f"{kill.victim} killed at {kill.moment!r}"
        report.ends[f"{row['status']} {row['code']}".strip()] += 1
        report.answers[f"{answer}" if answer else "cut off"] += 1
        found = [f"{word} was begun {n} times" for word, n in (begun | words).items() if n > 1]
        if row["status"] == "completed":
            # The model knows of a call that was cut off, and the simulated one does not make it again.
            is_done = words.total() == 1 or (words.total() == 0 and row["cut_off"])
            if not is_done or row["said"] != 1:
                found.append(f"its word was written {words.total()} times and said {row['said']} times")
        elif row["code"] not in HONEST or not row["detail"]:
            found.append(f"it has ended as {row['status']} {row['code']}")
        if kill.victim != "everything" and (answer == 200) != (row["status"] == "completed"):
            found.append(f"its client got {answer}, and it is {row['status']}")
        report.violations += [f"{about}, attempt {row['attempt']}: {each}" for each in found]


def agents_of(session_id: str) -> list[int]:
    """Return the processes of the agent of a session."""
    return [*processes(f"--session-id={session_id}\0"), *processes(f"--resume={session_id}\0")]


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


async def _kill_all(cluster: Cluster, seed: int, planned: list[Kill], report: Report) -> list[str]:
    random = Random(seed)  # noqa: S311  a seed is the point
    user = User(cluster.gateways, random, Counter(), 0)
    await user.register()
    async with Database.open(cluster.postgres.url, "session") as database:
        killer = Killer(cluster, database, user, report)
        for kill in planned:
            await killer.work(kill)
    await user.http.aclose()
    return killer.sessions


def kills(seed: int, planned: list[Kill]) -> Report:
    """Kill what works on runs, as planned, and report what does not hold."""
    report = Report()
    with Cluster(stand_in()) as cluster:
        cluster.start()
        sessions = asyncio.run(_kill_all(cluster, seed, planned, report))
    left = [session for session in sessions if agents_of(session)]
    report.violations += [f"the agent of session {session} has outlived the system" for session in left]
    return report


def main() -> int:
    """Run the command line, and return the exit code: 1 if something does not hold."""
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos.kills", description=__doc__)
    wanted.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which kills come when")
    wanted.add_argument("--kills", type=int, default=KILLS)
    given = wanted.parse_args()
    logging.set_up("chaos", "ERROR")
    sys.stdout.write(f"seed: {given.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    report = kills(given.seed, plan(given.seed, given.kills))
    sys.stdout.write(f"{report}\nafter {time.monotonic() - began:.0f} s\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
