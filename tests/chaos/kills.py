"""`python -m tests.chaos.kills [--help]`: kill what works on runs, at each step of a call, and judge their ends."""

import argparse
import asyncio
import contextlib
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
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

from tests.chaos.agents import agents_of, parents_of, send
from tests.chaos.cluster import Cluster
from tests.chaos.users import User

KILLS, WITHIN_SECONDS, PAUSE_SECONDS, STALL_SECONDS = 200, 120.0, 0.2, 1.0
WORKERS = ("session-1", "session-2")
RUN_STARTED = "SELECT attempt > 0 FROM runs WHERE id = $1"
CALL_STORED = "SELECT EXISTS (SELECT FROM begun_calls WHERE run_id = $1)"
RESULT_STORED = "SELECT EXISTS (SELECT FROM tool_calls WHERE run_id = $1 AND status = 'success')"
MOMENTS = {"asked": RUN_STARTED, "stored": CALL_STORED, "started": "begun", "ended": "words", "recorded": RESULT_STORED}
"""When a run is killed, and waits for it: the statement, or the file with the word of the run, that says so."""
BRIEF = ("asked", "recorded")
"""Moments at which a run waits only for the model, and not for long: they come once the others have come."""
ANSWER_SECONDS, GO_ON = 8, "go"
HELD = f"for i in $(seq 600); do [ -e {GO_ON} ] || sleep 0.2; done"
VICTIMS = ("agent", "worker", "workers", "everything", "agent and worker", "stalled worker", "stopped worker")
"""What is killed. A `stalled` worker cannot store anything for a second before; a `stopped` one gets SIGTERM. After an
`agent`, its worker is killed while it continues the run."""
POLICIES = ("end", "continue")
OUTCOME = """
    SELECT status, coalesce(error_code, '') AS code, coalesce(error_detail, '') AS detail, attempt, (
        SELECT count(*) FROM messages m WHERE m.run_id = r.id AND message_type = 'assistant'
            AND content ->> 'content' LIKE '%' || $2 || '%') AS said, (
        SELECT count(*) FROM tool_calls t WHERE t.run_id = r.id AND t.status IN ('interrupted', 'unknown')) AS cut_off
    FROM runs r WHERE id = $1 AND ended_at IS NOT NULL"""


@dataclass(frozen=True)
class Kill:
    """The end of what works on one run, `after` so many seconds beyond a moment; `policy` is its `after_crash`."""

    moment: str
    after: float
    policy: str


@dataclass(frozen=True)
class Volley:
    """Kills at the same time; what was killed is started again after `down` seconds."""

    victim: str
    down: float
    kills: tuple[Kill, ...]


@dataclass
class Report:
    """How the runs have ended, and what does not hold. `killed` runs have lost an agent, or were interrupted."""

    killed: int = 0
    ends: Counter[str] = field(default_factory=Counter[str])
    answers: Counter[str] = field(default_factory=Counter[str])
    longest: dict[str, float] = field(default_factory=dict[str, float])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([
            f"runs: {self.ends.total()}, of them killed: {self.killed}",
            *(f"  {end}: {n}" for end, n in sorted(self.ends.items())),
            *(f"  answers {answer}: {n}" for answer, n in sorted(self.answers.items())),
            *(f"  longest until the end, {victim}: {seconds:.0f} s" for victim, seconds in self.longest.items()),
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ])  # fmt: skip


@dataclass(frozen=True)
class Struck:
    """A run at the moment of its kill, what its client waits for, and the run that is queued."""

    kill: Kill
    session_id: str
    run_id: Any
    word: str
    asked: asyncio.Task[int]
    queued_id: str


def plan(seed: int) -> Iterator[Volley]:
    """Yield volleys without end. In each, a run is killed at every moment; all victims come before one returns."""
    random = Random(seed)  # noqa: S311  a seed is the point
    while True:
        for victim in random.sample(VICTIMS, len(VICTIMS)):
            kills = [Kill(moment, max(0, random.uniform(-0.3, 0.3)), random.choice(POLICIES)) for moment in MOMENTS]
            yield Volley(victim, random.uniform(0.5, 3), (*kills,))


class Killer:
    """Starts runs, kills what works on them, and judges their ends."""

    def __init__(self, cluster: Cluster, database: Database, user: User, report: Report) -> None:
        self.cluster, self.database, self.user, self.report = cluster, database, user, report
        self.sessions = list[str]()

    async def work(self, volley: Volley) -> None:
        """Bring a run to each moment, kill what works on them at once, start that again, and note how they end."""
        async with asyncio.TaskGroup() as tasks:
            struck = list[Struck]()
            for is_brief in (False, True):
                begun = (
                    self._begin(kill, volley, tasks) for kill in volley.kills if (kill.moment in BRIEF) == is_brief
                )
                struck += await asyncio.gather(*begun)
            began = time.monotonic()
            await self._inject(volley, [run.session_id for run in struck])
            await asyncio.gather(*(self._see_end(run, volley.victim, began) for run in struck))

    async def _begin(self, kill: Kill, volley: Volley, tasks: asyncio.TaskGroup) -> Struck:
        word, options = secrets.token_hex(8), {"allowed_tools": ["Bash"], "after_crash": kill.policy}
        body = {"name": "one", "mode": "non_interactive", "sdk_options": options}
        session_id = (await self.user.sure("POST", "/sessions", json=body))["id"]
        self.sessions.append(session_id)
        asked = tasks.create_task(self._ask(session_id, _message(word, kill.moment)))
        run_id = await eventually(lambda: self._value("SELECT id FROM runs WHERE session_id = $1", session_id))
        await eventually(lambda: self._has_come(kill.moment, run_id, session_id), within=WITHIN_SECONDS)
        if volley.victim.startswith("agent"):
            await eventually(lambda: agents_of(session_id), within=WITHIN_SECONDS)
        await asyncio.sleep(kill.after)
        next_one = {"message": scripted({"text": f"next {word}"}), "on_busy": "enqueue"}
        path, promptly = f"/sessions/{session_id}/query", {"prefer": "respond-async"}
        queued = await self.user.sure("POST", path, json=next_one, headers=promptly)
        return Struck(kill, session_id, run_id, word, asked, queued["id"])

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
        async def outcome() -> Any:
            await asyncio.sleep(PAUSE_SECONDS)
            return await self._row(OUTCOME, run_id, word)

        return await eventually(outcome, within=WITHIN_SECONDS)

    async def _has_come(self, moment: str, run_id: Any, session_id: str) -> bool:
        said, files = MOMENTS[moment], self.cluster.folder.workspaces / session_id
        return bool(await self._value(said, run_id)) if " " in said else (files / said).exists()

    async def _inject(self, volley: Volley, sessions: list[str]) -> None:
        victim = volley.victim
        targets = [] if victim == "agent" else self._targets(victim, sessions)
        if victim.startswith("agent"):
            for pid in [pid for session_id in sessions for pid in agents_of(session_id)]:
                send(pid, signal.SIGKILL)
        elif victim == "stalled worker":
            self.cluster.stop("postgres")
        if victim in {"stalled worker", "stopped worker", "agent and worker"}:
            self._let_go_on(sessions)
            await asyncio.sleep(0 if victim == "stopped worker" else STALL_SECONDS)
        for target in targets:
            (self.cluster.terminate if victim == "stopped worker" else self.cluster.kill)(target)
        self.cluster.let_go_on("postgres")
        self._let_go_on(sessions)
        await asyncio.sleep(volley.down)
        for target in reversed(targets):  # the servers first
            while not self.cluster.revive(target):  # noqa: ASYNC110  it is asked until it is done
                await asyncio.sleep(0.1)
        await asyncio.to_thread(self.cluster.wait_until_ready)

    def _let_go_on(self, sessions: list[str]) -> None:
        for session_id in sessions:
            with contextlib.suppress(FileNotFoundError):  # its agent has not begun to start
                (self.cluster.folder.workspaces / session_id / GO_ON).touch()

    def _targets(self, victim: str, sessions: list[str]) -> list[str]:
        if victim == "workers":
            return [*WORKERS]
        if victim == "everything":
            services = [check.child.name for check in self.cluster.checks if check.child.name != "simulator"]
            return [*services, "nats", "postgres"]
        holders = {self.cluster.child(name).pid: name for name in WORKERS}
        parents = [pid for session_id in sessions for agent in agents_of(session_id) for pid in parents_of(agent)]
        held = Counter(holders[pid] for pid in parents if pid in holders)
        return [name for name, _ in held.most_common(1)] or [self.user.random.choice(WORKERS)]

    async def _see_end(self, run: Struck, victim: str, began: float) -> None:
        row = await self._ended(run.run_id, run.word)
        self.report.longest[victim] = max(self.report.longest.get(victim, 0), time.monotonic() - began)
        answer, following = await run.asked, await self._ended(run.queued_id, f"next {run.word}")
        files = self.cluster.folder.workspaces / run.session_id
        begun, words = _words(files / "begun"), _words(files / "words")
        report, about = self.report, f"{victim} killed at {run.kill.moment!r}, {run.kill.policy}"
        report.killed += row["attempt"] > 1 or row["status"] != "completed"
        report.ends[f"{row['status']} {row['code']}".strip()] += 1
        report.answers[f"{answer}" if answer else "cut off"] += 1
        found = [f"its call was begun {n} times" for n in (len(begun), len(words)) if n > 1]
        if row["status"] == "completed":
            # The model knows of a call that was cut off, and the simulated one does not make it again.
            is_done = len(words) == 1 or (not words and row["cut_off"])
            if not is_done or row["said"] != 1:
                found.append(f"its word was written {len(words)} times and said {row['said']} times")
        elif row["code"] != "RUN_INTERRUPTED" or not row["detail"]:
            found.append(f"it has ended as {row['status']} {row['code']} {row['detail']}")
        if victim != "everything" and (answer == 200) != (row["status"] == "completed"):
            found.append(f"its client got {answer}, and it is {row['status']}")
        if (following["status"], following["said"]) != ("completed", 1):
            found.append(f"the next one is {following['status']} {following['code']}, {following['said']} answers")
        report.violations += [f"{about}, attempt {row['attempt']}: {each}" for each in found]


def _message(word: str, moment: str) -> str:
    """Return the message for which an agent writes down a word, says it, and waits at a moment."""
    begin, end = f"echo {word} >> begun", f"echo {word} >> words"
    steps = {"stored": [HELD, begin, end], "started": [begin, HELD, end], "ended": [begin, end, HELD]}
    call, waits = bash("; ".join(steps.get(moment, [begin, end]))), {"delay": ANSWER_SECONDS}
    asked, recorded = (waits if moment == each else {} for each in BRIEF)
    return scripted({**call, **asked}, {"text": word, **recorded}, text="Note it.")


def _words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


async def _kill_all(cluster: Cluster, seed: int, number: int, report: Report) -> list[str]:
    user = User(cluster.gateways, Random(seed), Counter(), 0)  # noqa: S311  a seed is the point
    await user.register()
    async with Database.open(cluster.postgres.url, "session") as database:
        killer, volleys = Killer(cluster, database, user, report), plan(seed)
        while report.killed < number:
            await killer.work(next(volleys))
    await user.http.aclose()
    return killer.sessions


def kills(seed: int, number: int) -> Report:
    """Kill what works on runs until so many were killed, and report what does not hold."""
    report = Report()
    with Cluster(stand_in()) as cluster:
        cluster.start()
        sessions = asyncio.run(_kill_all(cluster, seed, number, report))
    left = [session for session in sessions if agents_of(session)]
    report.violations += [f"the agent of session {session} has outlived the system" for session in left]
    return report


def main() -> int:
    """Run the command line, and return the exit code: 1 if something does not hold."""
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos.kills", description=__doc__)
    wanted.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which kills come when")
    wanted.add_argument("--kills", type=int, default=KILLS, help="how many runs to kill, at least")
    given = wanted.parse_args()
    logging.set_up("chaos", "ERROR")
    sys.stdout.write(f"seed: {given.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    report = kills(given.seed, given.kills)
    sys.stdout.write(f"{report}\nafter {time.monotonic() - began:.0f} s\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
