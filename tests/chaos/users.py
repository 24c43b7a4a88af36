"""Users who work with the system during the faults, and note what was acknowledged."""

import asyncio
import json
import secrets
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from random import Random
from typing import Any

import httpx

from tests.e2e.user import SEARCHED

PASSWORD = "plantedsecret-analytical engine"
SESSIONS = 3
MAX_PAUSE = 0.6
WAIT_SECONDS, SURE_SECONDS = 20.0, 300.0
UNSURE = frozenset({500, 502, 503, 504})
"""Answers after which another gateway is asked, if it is only a question."""


TASK = {
    "name": "every minute",
    "prompt_template": '[[simulate {"turns": [{"text": "Fine."}]}]]',
    "schedule_cron": "* * * * *",
    "max_retries": 3,
    "timeout_seconds": 120,
    "catch_up_window_seconds": 3600,
}
OVERLAP_POLICIES = ("skip", "queue_one", "queue_all", "cancel_running", "allow")


@dataclass
class Held:
    """A session that was acknowledged, the runs that were, and the names it may have."""

    id: str
    runs: dict[str, str] = field(default_factory=dict[str, str])
    """The run's id, and the word that its agent writes down once."""
    words: list[str] = field(default_factory=list[str])
    """All the words that were sent, acknowledged or not."""
    names: set[str] = field(default_factory=set[str])
    cancelled: set[str] = field(default_factory=set[str])


@dataclass
class HeldTask:
    """A task that was acknowledged, and those of its executions by hand that were."""

    id: str
    executions: set[str] = field(default_factory=set[str])
    cancelled: set[str] = field(default_factory=set[str])


class User:
    """Someone with an account, some sessions and a task, who goes to another gateway when one does not answer."""

    def __init__(self, gateways: list[str], random: Random, answers: Counter[str], max_pause: float) -> None:
        self.gateways, self.random, self.answers, self.max_pause = gateways, random, answers, max_pause
        self.http = httpx.AsyncClient(timeout=WAIT_SECONDS, event_hooks={"response": [SEARCHED.check_async]})
        self.sessions: list[Held] = []
        self.forks: list[str] = []
        self.deleted: list[str] = []
        self.tasks: list[HeldTask] = []

    async def come(self) -> None:
        """Register, log in, open sessions, and create a task that a tick starts every minute, while all is well."""
        await self.register()
        for n in range(SESSIONS):
            options = {"allowed_tools": ["Bash"], "after_crash": "end"}
            body = {"name": f"{n}", "mode": "interactive", "sdk_options": options}
            made = await self.sure("POST", "/sessions", json=body)
            self.sessions.append(Held(made["id"], names={f"{n}"}))
        body = TASK | {"overlap_policy": self.random.choice(OVERLAP_POLICIES)}
        self.tasks.append(HeldTask((await self.sure("POST", "/tasks", json=body))["id"]))

    async def register(self) -> None:
        """Register, and log in."""
        name = f"user-{secrets.token_hex(6)}"
        login = {"email": f"{name}@example.com", "password": PASSWORD}
        await self.sure("POST", "/auth/register", json={**login, "username": name})
        tokens = await self.sure("POST", "/auth/login", json=login)
        self.http.headers["authorization"] = f"Bearer {tokens['access_token']}"

    async def go_on(self, until: threading.Event) -> None:
        """Do one thing after the other until it is enough."""
        acts: list[tuple[int, Callable[[Held], Awaitable[None]]]] = [
            (8, self._enqueue), (3, self._wait), (2, self._interrupt), (2, self._cancel),
            (2, self._rename), (1, self._fork), (2, self._archive), (1, self._delete), (6, self._read),
            (2, self._execute), (1, self._cancel_execution),
        ]  # fmt: skip
        weights, kinds = zip(*acts, strict=True)
        while not until.is_set():
            [act] = self.random.choices(kinds, weights)
            await act(self.random.choice(self.sessions))
            await asyncio.sleep(self.random.uniform(0, self.max_pause))

    async def _enqueue(self, held: Held) -> None:
        await self._query(held, "enqueue", prefer="respond-async")

    async def _wait(self, held: Held) -> None:
        await self._query(held, "reject")

    async def _interrupt(self, held: Held) -> None:
        await self._query(held, "interrupt", prefer="respond-async")

    async def _query(self, held: Held, on_busy: str, **headers: str) -> None:
        word = secrets.token_hex(8)
        held.words.append(word)
        body = {"message": f"Note it. {_writing(word, self.random)}", "on_busy": on_busy}
        answer = await self._send("POST", f"/sessions/{held.id}/query", json=body, headers=headers)
        if answer is not None and (run_id := _run_of(answer)):
            held.runs[run_id] = word

    async def _cancel(self, held: Held) -> None:
        if held.runs:
            run_id = list(held.runs)[-1]
            answer = await self._send("POST", f"/sessions/{held.id}/runs/{run_id}/cancel")
            if answer is not None and answer.is_success:
                held.cancelled.add(run_id)

    async def _rename(self, held: Held) -> None:
        name = secrets.token_hex(4)
        answer = await self._send("PATCH", f"/sessions/{held.id}", json={"name": name})
        if answer is not None and answer.is_success:
            held.names.clear()
        held.names.add(name)

    async def _fork(self, held: Held) -> None:
        answer = await self._send("POST", f"/sessions/{held.id}/fork", json={"name": "a fork"})
        if answer is not None and answer.is_success:
            self.forks.append(answer.json()["id"])

    async def _archive(self, _: Held) -> None:
        if self.forks:
            how = self.random.choice(["archive", "resume"])
            await self._send("POST", f"/sessions/{self.random.choice(self.forks)}/{how}")

    async def _delete(self, _: Held) -> None:
        if len(self.forks) > 1:
            fork = self.forks.pop(0)
            answer = await self._send("DELETE", f"/sessions/{fork}")
            if answer is not None and answer.is_success:
                self.deleted.append(fork)

    async def _execute(self, _: Held) -> None:
        [task] = self.tasks
        answer = await self._send("POST", f"/tasks/{task.id}/execute")
        if answer is not None and answer.is_success:
            task.executions.add(answer.json()["execution_id"])

    async def _cancel_execution(self, _: Held) -> None:
        [task] = self.tasks
        if task.executions:
            execution_id = self.random.choice(sorted(task.executions))
            answer = await self._send("POST", f"/tasks/{task.id}/executions/{execution_id}/cancel")
            if answer is not None and answer.is_success:
                task.cancelled.add(execution_id)

    async def _read(self, held: Held) -> None:
        paths = [f"/sessions/{held.id}{each}" for each in ("", "/messages", "/runs", "/tool-calls")]
        await self._send("GET", self.random.choice([*paths, "/tasks", f"/tasks/{self.tasks[0].id}/executions"]))

    async def _send(self, method: str, path: str, **given: Any) -> httpx.Response | None:
        """Send once, a question also to the other gateway; None when nobody answered."""
        gateways = self.random.sample(self.gateways, len(self.gateways))
        answer = None
        for gateway in gateways if method == "GET" else gateways[:1]:
            try:
                answer = await self.http.request(method, f"{gateway}/api/v1{path}", **given)
            except httpx.HTTPError:
                continue
            if answer.status_code not in UNSURE:
                break
        self.answers[f"{method} {_described(answer)}"] += 1
        return answer

    async def sure(self, method: str, path: str, **given: Any) -> Any:
        """Send until it is answered, as a system that has just started may refuse. A repetition has no effect."""
        headers = {"idempotency-key": secrets.token_hex(16), **given.pop("headers", {})}
        async with asyncio.timeout(SURE_SECONDS):
            while True:
                answer = await self._send(method, path, headers=headers, **given)
                if answer is not None and not is_unsure(answer):
                    return answer.raise_for_status().json()
                await asyncio.sleep(0.1)


def is_unsure(answer: httpx.Response) -> bool:
    """Return whether a request that has a key has to be sent again."""
    return answer.status_code in UNSURE or "IDEMPOTENCY_KEY_IN_USE" in answer.text


def _described(answer: httpx.Response | None) -> str:
    """Return the status of an answer, and whether it says when to send the request again."""
    if answer is None:
        return "nothing"
    return f"{answer.status_code} retry" if "retry-after" in answer.headers else f"{answer.status_code}"


def _writing(word: str, random: Random) -> str:
    """Script a model whose agent writes a word into a file, now and then slowly, and says it."""
    pause = random.choice(["", "", "sleep 1; ", "sleep 4; "])
    command = f"{pause}echo {word} >> words.txt"
    tool = {"tools": [{"name": "Bash", "input": {"command": command, "description": "note a word"}}]}
    return f"[[simulate {json.dumps({'turns': [tool, {'text': word}]})}]]"


def _run_of(answer: httpx.Response) -> str | None:
    """Return the run that an answer acknowledges; 503 says that nobody knows."""
    if answer.is_success and "/runs/" in answer.headers.get("location", ""):
        return answer.headers["location"].rpartition("/runs/")[2]
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE or "json" not in answer.headers.get("content-type", ""):
        return None
    return answer.json().get("run_id")


class Workload:
    """Users who are busy in a thread of their own, so that nothing that happens to the system holds them up."""

    def __init__(self, gateways: list[str], users: int, seed: int, max_pause: float = MAX_PAUSE) -> None:
        self.answers = Counter[str]()
        randoms = [Random(f"{seed} {n}") for n in range(users)]  # noqa: S311  a seed is the point
        self.users = [User(gateways, random, self.answers, max_pause) for random in randoms]
        self._settled, self._enough = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()))
        self._failed: BaseException | None = None

    @contextmanager
    def busy(self) -> Generator[None]:
        """Let them be busy as long as the context is open; it opens when each has a session."""
        self._thread.start()
        self._settled.wait()
        try:
            yield
        finally:
            self._enough.set()
            self._thread.join()
        if self._failed:
            raise self._failed

    async def _live(self) -> None:
        try:
            await asyncio.gather(*(user.come() for user in self.users))
            self._settled.set()
            await asyncio.gather(*(user.go_on(self._enough) for user in self.users))
        except BaseException as failed:  # noqa: BLE001  reported when the context is left
            self._failed = failed
        finally:
            self._settled.set()
            await asyncio.gather(*(user.http.aclose() for user in self.users))
