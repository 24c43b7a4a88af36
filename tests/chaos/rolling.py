"""`python -m tests.chaos.rolling`: restart every service, one replica after the other, while clients wait for runs."""

import asyncio
import secrets
import sys
from collections import Counter
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import httpx
from eventing.database import Database
from onebox.testing.stand_in import stand_in
from runtime import logging
from simulator.testing import bash, scripted

from tests.chaos.cluster import Cluster
from tests.chaos.users import User

CLIENTS = 3
ENDS = """
    SELECT status, coalesce(error_code, '') AS code, coalesce(resumed, '') AS resumed, count(*) AS n FROM runs
    GROUP BY 1, 2, 3"""


@dataclass
class Report:
    """What clients got, how runs ended and why they were continued by others, and what does not hold."""

    answers: Counter[str] = field(default_factory=Counter[str])
    ends: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([
            *(f"answers {answer}: {n}" for answer, n in sorted(self.answers.items())),
            *(f"runs {end}: {n}" for end, n in sorted(self.ends.items())),
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ])  # fmt: skip


@dataclass
class Client:
    """Someone who asks one question after the other, each of a gateway that answers, until `enough` is set."""

    cluster: Cluster
    user: User
    report: Report
    enough: asyncio.Event

    async def work(self) -> None:
        """Ask until it is enough."""
        options = {"allowed_tools": ["Bash"]}
        session = await self.user.sure("POST", "/sessions", json={"name": "one", "sdk_options": options})
        words = list[str]()
        while not self.enough.is_set():
            words.append(secrets.token_hex(8))
            answer = await self._ask(session["id"], words[-1])
            self.report.answers[f"{answer.status_code}"] += 1
            if not (answer.is_success and answer.json()["content"]["text"] == words[-1]):
                self.report.violations.append(f"a client got {answer.status_code} {answer.text[:300]}")
        written = (self.cluster.folder.workspaces / session["id"] / "words").read_text().split()
        if sorted(written) != sorted([*words, *words]):
            self.report.violations.append(f"{len(written)} words were written instead of {2 * len(words)}")

    async def _ask(self, session_id: str, word: str) -> httpx.Response:
        """Ask as a client does that sends a request again, with its key, if nobody has answered it."""
        call = bash(f"sleep 0.3; echo {word} >> words")
        given: dict[str, Any] = {"json": {"message": scripted(call, call, {"text": word})}, "timeout": 120}
        given["headers"] = {"idempotency-key": secrets.token_hex(16)}
        while True:
            gateway = self.user.random.choice(self.cluster.gateways)
            try:
                answer = await self.user.http.post(f"{gateway}/api/v1/sessions/{session_id}/query", **given)
            except httpx.TransportError as error:
                self.report.answers[type(error).__name__] += 1
            else:
                is_taken = "IDEMPOTENCY_KEY_IN_USE" in answer.text
                if not (is_taken or answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE):
                    return answer
                self.report.answers[f"{answer.status_code}, and again"] += 1
            await asyncio.sleep(0.1)


def _restart_all(cluster: Cluster) -> None:
    """Restart each process of the system as a deployment does: the next one once the one before is ready again."""
    names = [check.child.name for check in cluster.checks if check.child.name != "simulator"]
    for name in sorted(names, key=lambda name: name.rpartition("-")[2]):
        cluster.terminate(name)
        cluster.child(name).finish()
        cluster.revive(name)
        cluster.wait_until_ready()


async def _roll(cluster: Cluster, report: Report) -> None:
    enough = asyncio.Event()
    users = [User(cluster.gateways, Random(n), Counter(), 0) for n in range(CLIENTS)]  # noqa: S311  no secret
    for user in users:
        await user.register()
    async with asyncio.TaskGroup() as tasks:
        for user in users:
            tasks.create_task(Client(cluster, user, report, enough).work())
        await asyncio.to_thread(_restart_all, cluster)
        enough.set()
    async with Database.open(cluster.postgres.url, "session") as database:
        for row in await database.fetch(ENDS):
            report.ends[" ".join(filter(None, (row["status"], row["code"], row["resumed"])))] += row["n"]
            if row["status"] != "completed":
                report.violations.append(f"{row['n']} runs have ended as {row['status']} {row['code']}")
    for user in users:
        await user.http.aclose()


def rolling() -> Report:
    """Restart every service under traffic, and report what does not hold."""
    report = Report()
    with Cluster(stand_in()) as cluster:
        cluster.start()
        asyncio.run(_roll(cluster, report))
    return report


def main() -> int:
    """Return the exit code: 1 if a run was interrupted, or a client had no answer."""
    logging.set_up("chaos", "ERROR")
    report = rolling()
    sys.stdout.write(f"{report}\n")
    return 1 if report.violations else 0


if __name__ == "__main__":
    sys.exit(main())
