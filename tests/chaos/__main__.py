"""`python -m tests.chaos [--help]`: inject faults into a system under load, and check its invariants."""

import argparse
import asyncio
import secrets
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from runtime import logging

from tests.chaos import audit, invariants, surroundings, tasks
from tests.chaos.cluster import Cluster
from tests.chaos.faults import Fault, Faults, plan
from tests.chaos.restore import restore
from tests.chaos.users import Workload

FAULTS, SECONDS, USERS = 120, 3600, 4


@dataclass
class Outcome:
    """What happened, and what does not hold."""

    seed: int
    faults: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    answers: Counter[str] = field(default_factory=Counter[str])
    runs: Counter[str] = field(default_factory=Counter[str])
    executions: Counter[str] = field(default_factory=Counter[str])
    acknowledged: int = 0
    ended_by_themselves: list[str] = field(default_factory=list[str])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        by_kind = Counter[str]()
        for (kind, target), n in self.faults.items():
            by_kind[f"{kind} {target.partition('-')[0]}"] += n
        return "\n".join([
            f"seed: {self.seed}",
            f"faults: {self.faults.total()}",
            *(f"  {kind}: {n}" for kind, n in sorted(by_kind.items())),
            f"answers: {self.answers.total()}",
            *(f"  {answer}: {n}" for answer, n in sorted(self.answers.items())),
            f"runs: {self.runs.total()}, of which {self.acknowledged} were acknowledged",
            *(f"  {status}: {n}" for status, n in sorted(self.runs.items())),
            f"executions of tasks: {self.executions.total()}",
            *(f"  {status}: {n}" for status, n in sorted(self.executions.items())),
            f"ended by themselves: {', '.join(self.ended_by_themselves) or 'none'}",
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ])  # fmt: skip


def chaos(
    seed: int, planned: list[Fault], seconds: float, logs: Path | None = None, *, restored: bool = False
) -> Outcome:
    """Inject faults into a system under load, let it recover, and check its invariants.

    If it is `restored`, the database is moved to a new cluster in the middle of the load, and the bus is lost.
    """
    with Cluster() as cluster:
        cluster.start()
        workload, injector = Workload(cluster.gateways, USERS, seed), Faults(cluster)
        with workload.busy():
            injector.inject(planned, seconds)
            if restored:
                restore(cluster)
                injector.inject(planned, seconds)
        cluster.wait_until_ready()
        outcome = Outcome(seed, injector.done, workload.answers, ended_by_themselves=cluster.ended_by_themselves)
        asyncio.run(_judge(cluster, workload, outcome))
        if logs:
            cluster.keep_logs(logs)
    return outcome


async def _judge(cluster: Cluster, workload: Workload, outcome: Outcome) -> None:
    sessions = [held for user in workload.users for held in user.sessions]
    forks = [fork for user in workload.users for fork in user.forks]
    deleted = [fork for user in workload.users for fork in user.deleted]
    url, workspaces = cluster.postgres.url, cluster.folder.workspaces
    await tasks.pause(cluster.gateways, workload.users)
    outcome.violations = await invariants.violations(url, cluster.nats.url, workspaces, sessions, forks)
    outcome.violations += await invariants.left(url, workspaces, deleted)
    outcome.violations += await tasks.violations(url, cluster.nats.url, workload.users)
    outcome.violations += await audit.violations(url)
    outcome.violations += await surroundings.violations(url)
    outcome.runs = await invariants.outcomes(url)
    outcome.executions = await tasks.outcomes(url)
    outcome.acknowledged = sum(len(held.runs) for held in sessions)


def main() -> int:
    """Run the command line, and return the exit code: 1 if an invariant is violated."""
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    wanted.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which faults come when")
    wanted.add_argument("--faults", type=int, default=FAULTS)
    wanted.add_argument("--seconds", type=float, default=SECONDS, help="no fault comes later")
    wanted.add_argument("--pace", type=float, default=1.0, help="how many times as fast faults come and go")
    wanted.add_argument("--logs", type=Path, help="a folder that gets what the processes have logged")
    wanted.add_argument("--restore", action="store_true", help="restore a dump and repeat the faults after that")
    given = wanted.parse_args()
    logging.set_up("chaos", "ERROR")
    sys.stdout.write(f"seed: {given.seed}\n")
    sys.stdout.flush()
    began = time.monotonic()
    planned = plan(given.seed, given.faults, given.pace)
    outcome = chaos(given.seed, planned, given.seconds, given.logs, restored=given.restore)
    sys.stdout.write(f"{outcome}\nafter {time.monotonic() - began:.0f} s\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
