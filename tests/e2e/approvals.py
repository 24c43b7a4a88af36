"""Agents that wait for approvals, and the people who decide."""

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
from onebox.testing.system import until
from simulator.testing import bash, scripted

from tests.e2e.user import User

TOUCH = bash("touch made")


class Asked:
    """A query whose agent waits for an approval."""

    def __init__(self, user: User, session_id: str, *turns: dict[str, Any]) -> None:
        self.user, self.session_id = user, session_id
        self._caller = ThreadPoolExecutor(1)
        self.answer: Future[httpx.Response] = self._caller.submit(user.ask, session_id, scripted(*turns))
        self._caller.shutdown(wait=False)

    def approval(self) -> dict[str, Any]:
        """Wait for an approval, and return it."""
        until(self.pending)
        return self.pending()[0]

    def pending(self) -> list[dict[str, Any]]:
        return self.user.items("/approvals", status="pending", session_id=self.session_id)

    def decide(self, how: str, **body: Any) -> httpx.Response:
        return decide(self.user, self.approval()["id"], how, **body)

    def calls(self) -> list[tuple[str, str]]:
        """How the tool calls ended, and what came of them."""
        calls = self.user.items(f"/sessions/{self.session_id}/tool-calls")
        return [(call["status"], call["tool_output"]["content"] if call["tool_output"] else "") for call in calls]


def decide(user: User, approval_id: str, how: str, **body: Any) -> httpx.Response:
    return user.http.post(f"/approvals/{approval_id}/{how}", json=body or None)


def careful(user: User) -> str:
    """Open a session in which nothing but reading is allowed."""
    return user.create("Read")
