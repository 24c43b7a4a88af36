"""`python -m tests.chaos.keys [--help]`: keyed requests, sent again at random while services are killed."""

import argparse
import asyncio
import secrets
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import httpx
from runtime import logging

from tests.chaos.cluster import Cluster
from tests.chaos.faults import Fault, Faults
from tests.chaos.users import PASSWORD, is_unsure

REQUESTS, CLIENTS = 1000, 8
TARGETS = ("gateway-1", "gateway-2", "session-1", "session-2")
MAX_PAUSE, MAX_DOWN_SECONDS = 1.5, 1.5
MAX_PATIENCE = 1.0
"""Seconds after which a client stops to wait for a response; often it waits much less."""
MAX_SECONDS = 1800.0


@dataclass
class Outcome:
    """What happened, and what does not hold."""

    seed: int
    requests: int
    faults: Counter[str] = field(default_factory=Counter[str])
    responses: Counter[str] = field(default_factory=Counter[str])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([
            f"seed: {self.seed}",
            f"requests: {self.requests}, sent {self.responses.total()} times",
            *(f"  {response}: {n}" for response, n in sorted(self.responses.items())),
            f"SIGKILL: {self.faults.total()}",
            *(f"  {target}: {n}" for target, n in sorted(self.faults.items())),
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations),
        ])  # fmt: skip


class Clients:
    """Clients of one user, who send each request until it is answered, and sometimes once again."""

    def __init__(self, gateways: list[str], outcome: Outcome) -> None:
        self.gateways, self.outcome, self.random = gateways, outcome, Random(outcome.seed)  # noqa: S311  a seed is the point
        self.left = list(range(outcome.requests))
        self.ids, self.headers = dict[int, str](), dict[str, str]()

    async def send_all(self) -> None:
        """Send all requests, and compare what exists then with what was acknowledged."""
        async with httpx.AsyncClient(headers=self.headers) as http, asyncio.timeout(MAX_SECONDS):
            async with asyncio.TaskGroup() as tasks:
                for _ in range(CLIENTS):
                    tasks.create_task(self._client(http))
            await self._judge(http)

    async def log_in(self) -> None:
        """Register and log in; before anything is killed."""
        name = f"user-{secrets.token_hex(6)}"
        login = {"email": f"{name}@example.com", "password": PASSWORD}
        async with httpx.AsyncClient(timeout=60) as http:
            await self._sure(http, "POST", "/auth/register", login | {"username": name})
            tokens = await self._sure(http, "POST", "/auth/login", login)
        self.headers = {"authorization": f"Bearer {tokens['access_token']}"}

    async def _client(self, http: httpx.AsyncClient) -> None:
        while self.left:
            number, key = self.left.pop(), secrets.token_hex(16)
            for _ in range(1 + (self.random.random() < 0.3)):
                while not await self._send(http, number, key):  # noqa: ASYNC110  not a condition
                    await asyncio.sleep(self.random.uniform(0, 0.3))
            await asyncio.sleep(self.random.uniform(0, 0.5))

    async def _send(self, http: httpx.AsyncClient, number: int, key: str) -> bool:
        """Send a request once; return whether it was answered."""
        url = f"{self.random.choice(self.gateways)}/api/v1/sessions"
        patience = MAX_PATIENCE * self.random.random() ** 3
        try:
            async with asyncio.timeout(patience):
                response = await http.post(url, json={"name": f"{number}"}, headers={"idempotency-key": key})
        except (httpx.HTTPError, TimeoutError) as error:
            self.outcome.responses[type(error).__name__] += 1
            return False
        replayed = " replayed" if "idempotent-replayed" in response.headers else ""
        code = f" {response.json()['error_code']}" if response.is_error else ""
        self.outcome.responses[f"{response.status_code}{code}{replayed}"] += 1
        if response.status_code == HTTPStatus.CREATED:
            self._note(number, response.json()["id"])
        elif response.status_code not in (HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE):
            self.outcome.violations.append(f"request {number} got {response.status_code}{code}")
        return response.status_code == HTTPStatus.CREATED

    def _note(self, number: int, id: str) -> None:
        if self.ids.setdefault(number, id) != id:
            self.outcome.violations.append(f"request {number} created {self.ids[number]} and {id}")

    async def _judge(self, http: httpx.AsyncClient) -> None:
        existing, path = list[dict[str, Any]](), "/sessions?limit=100&skip=0"
        while path:
            page = await self._sure(http, "GET", path)
            existing += page["items"]
            path = (page["links"]["next"] or "").removeprefix("/api/v1")
        names = Counter(int(session["name"]) for session in existing)
        violations = self.outcome.violations
        violations += [f"request {number} created {n} sessions" for number, n in names.items() if n != 1]
        violations += [f"request {number} created nothing" for number in range(self.outcome.requests - len(names))]
        if {session["id"] for session in existing} != {*self.ids.values()}:
            violations.append("other sessions exist than those that were acknowledged")

    async def _sure(self, http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
        headers = {"idempotency-key": secrets.token_hex(16)}
        while True:
            with suppress(httpx.TransportError):
                url = f"{self.random.choice(self.gateways)}/api/v1{path}"
                response = await http.request(method, url, json=body, headers=headers, timeout=20)
                if not is_unsure(response):
                    return response.raise_for_status().json()
            await asyncio.sleep(0.1)


def keyed(seed: int, requests: int) -> Outcome:
    """Send keyed requests while their services are killed, and check that each had one effect."""
    outcome, random = Outcome(seed, requests), Random(seed)  # noqa: S311  a seed is the point
    with Cluster() as cluster:
        cluster.start()
        clients, injector = Clients(cluster.gateways, outcome), Faults(cluster)
        asyncio.run(clients.log_in())
        working = threading.Thread(target=asyncio.run, args=(clients.send_all(),))
        working.start()
        while working.is_alive():
            after, lasting = random.uniform(0.1, MAX_PAUSE), random.uniform(0.1, MAX_DOWN_SECONDS)
            fault = Fault("SIGKILL", random.choice(TARGETS), after, lasting)
            injector.inject([fault], 60)
            outcome.faults[fault.target] += 1
        working.join()
    if len(clients.ids) != requests:
        outcome.violations.append(f"only {len(clients.ids)} requests were answered")
    return outcome


def main() -> int:
    """Run the command line, and return the exit code: 1 if a request had no effect, or more than one."""
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos.keys", description=__doc__)
    wanted.add_argument("--seed", type=int, default=secrets.randbelow(10**6), help="which faults come when")
    wanted.add_argument("--requests", type=int, default=REQUESTS)
    given = wanted.parse_args()
    logging.set_up("chaos", "ERROR")
    began = time.monotonic()
    outcome = keyed(given.seed, given.requests)
    sys.stdout.write(f"{outcome}\nafter {time.monotonic() - began:.0f} s\n")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
