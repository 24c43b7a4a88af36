"""What users of `tests.chaos` were promised, and what is there afterwards, over HTTP only."""

import time
from collections import Counter
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import httpx
from onebox.testing.system import until

from tests.chaos.users import Held, User, Workload

IDLE_SECONDS = 600.0
UNANSWERED = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
ENDED = {"completed", "failed", "cancelled"}


class Asking(httpx.Client):
    """A client that asks again what could not be answered: that does not mean that something is gone."""

    def send(self, request: httpx.Request, **given: Any) -> httpx.Response:
        """Send a request until it is answered."""
        deadline = time.monotonic() + IDLE_SECONDS
        while (answer := super().send(request, **given)).status_code in UNANSWERED and time.monotonic() < deadline:
            time.sleep(1)
        return answer


def losses(workload: Workload, gateway: str) -> list[str]:
    """Print how much users were promised, and return what of it is lost.

    Raises:
        AssertionError: they were promised nothing.
    """
    runs = sum(len(held.runs) for user in workload.users for held in user.sessions)
    print(f"{runs} runs were acknowledged; answers: {dict(workload.answers)}")  # noqa: T201
    assert runs
    return [found for user in workload.users for found in lost(user, gateway)]


def lost(user: User, gateway: str) -> Iterator[str]:
    """Return what a user was promised and did not get, or got twice, a sentence each."""
    token = user.http.headers["authorization"]
    with Asking(base_url=f"{gateway}/api/v1", headers={"authorization": token}, timeout=60) as http:
        for fork in user.forks:
            if http.get(f"/sessions/{fork}").status_code != HTTPStatus.OK:
                yield f"fork {fork} is gone"
        for execution in user.tasks[0].executions:
            path = f"/tasks/{user.tasks[0].id}/executions/{execution}"
            if http.get(path).status_code != HTTPStatus.OK:
                yield f"execution {execution} is gone"
        for held in user.sessions:
            yield from _lost_of(held, http)


def interrupted(user: User, gateway: str) -> list[str]:
    """Return the runs of a user that ended because their service did."""
    token = user.http.headers["authorization"]
    with Asking(base_url=f"{gateway}/api/v1", headers={"authorization": token}, timeout=60) as http:
        runs = [f"/sessions/{held.id}/runs/{run}" for held in user.sessions for run in held.runs]
        return [path for path in runs if http.get(path).json().get("error_code") == "RUN_INTERRUPTED"]


def _lost_of(held: Held, http: httpx.Client) -> Iterator[str]:
    answer = http.get(f"/sessions/{held.id}")
    if answer.status_code != HTTPStatus.OK:
        yield f"session {held.id} is gone"
        return
    if answer.json()["name"] not in held.names:
        yield f"session {held.id} has lost its name"
    words = Counter[str]()
    runs = {run: _ended(http, held.id, run) for run in held.runs}
    file = http.get(f"/sessions/{held.id}/workspace/words.txt")
    if file.status_code == HTTPStatus.OK:
        words.update(file.text.split())
    yield from (f"{word} was written {n} times" for word, n in words.items() if n > 1)
    for run, view in runs.items():
        if view is None:
            yield f"run {run} is gone"
        elif run in held.cancelled and view["status"] != "cancelled":
            yield f"run {run} was cancelled, and is {view['status']}"
        elif view["status"] == "completed" and words[held.runs[run]] != 1:
            yield f"run {run} is completed, says {view['text']!r}, and its word is missing"


def _ended(http: httpx.Client, session: str, run: str) -> dict[str, Any] | None:
    """Return a run that has ended, or None if there is no such run."""
    path = f"/sessions/{session}/runs/{run}"
    answer = http.get(path)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        return None
    if answer.json()["status"] not in ENDED:
        until(lambda: http.get(path).json()["status"] in ENDED, IDLE_SECONDS)
        answer = http.get(path)
    return answer.json()
