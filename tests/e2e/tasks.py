"""Tasks of a user of the whole system, over HTTP."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
from onebox.testing.system import until
from runtime import clock
from simulator.testing import scripted
from standardwebhooks import Webhook

from tests.e2e.user import PATIENCE, User

FINE = scripted({"text": "Fine."})
EVERY_MINUTE, EVERY_YEAR = "* * * * *", "0 0 1 1 *"
TICK_SECONDS = 90
"""Longer than the wait for the next minute, and the execution that it starts."""
TERMINAL = {"completed", "failed", "cancelled", "skipped", "missed", "timed_out"}


@dataclass(frozen=True)
class UserTask:
    """A task, as its owner uses it."""

    user: User
    id: str

    @classmethod
    def create(cls, user: User, prompt_template: str = FINE, **fields: Any) -> "UserTask":
        body = {"name": "a task", "prompt_template": prompt_template, "allowed_tools": ["Bash", "Read"], **fields}
        answer = user.http.post("/tasks", json=body)
        assert answer.status_code == 201, answer.text
        return cls(user, answer.json()["id"])

    @property
    def path(self) -> str:
        return f"/tasks/{self.id}"

    def view(self) -> dict[str, Any]:
        return self.user.http.get(self.path).raise_for_status().json()

    def tick_every_minute(self) -> None:
        """Change the schedule: what has to happen before the first tick is done before this."""
        self.user.http.patch(self.path, json={"schedule_cron": EVERY_MINUTE}).raise_for_status()

    def owner_id(self) -> UUID:
        return UUID(self.user.http.get("/auth/me").raise_for_status().json()["id"])

    def post(self, action: str, body: Any = None) -> httpx.Response:
        return self.user.http.post(f"{self.path}/{action}", json=body)

    def execute(self, **variables: Any) -> dict[str, Any]:
        """Start an execution now, and return the answer."""
        return self.post("execute", {"variables": variables}).raise_for_status().json()

    def started(self) -> dict[str, Any]:
        """Start an execution, wait until its agent runs a tool, and return it."""
        execution = self.execution(self.execute()["execution_id"])
        self.wait_for_tool_call(execution)
        return execution

    def wait_for_tool_call(self, execution: dict[str, Any]) -> None:
        """Wait until the agent of an execution runs a tool; its session is created after the execution."""
        calls = f"/sessions/{execution['session_id']}/tool-calls"
        until(lambda: (answer := self.user.http.get(calls)).is_success and answer.json()["items"])

    def execution(self, execution_id: str) -> dict[str, Any]:
        return self.user.http.get(f"{self.path}/executions/{execution_id}").raise_for_status().json()

    def executions(self, **filters: Any) -> list[dict[str, Any]]:
        """Return the executions of the task, newest first."""
        return self.user.items(f"{self.path}/executions", **filters)

    def ended(self, execution_id: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until an execution has ended, and return it."""
        until(lambda: self.execution(execution_id)["status"] in TERMINAL, seconds)
        return self.execution(execution_id)

    def first(self, seconds: float = 60, **filters: Any) -> dict[str, Any]:
        """Wait until the oldest execution that passes the filters has ended, and return it."""
        until(lambda: self.executions(**filters), seconds)
        return self.ended(self.executions(**filters)[-1]["id"])

    def run(self, execution: dict[str, Any]) -> dict[str, Any]:
        """Return the run of the last attempt of an execution."""
        return self.user.run(execution["session_id"], execution["run_id"])


def fire(trigger: dict[str, Any], body: Any, webhook_id: str = "msg_1", secret: str | None = None) -> httpx.Response:
    """Send a signed request to the URL of a trigger, without any account."""
    content, now = json.dumps(body), clock.now()
    signature = Webhook(secret or trigger["secret"]).sign(webhook_id, now, content)
    headers = {
        "content-type": "application/json",
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    return httpx.post(trigger["url"], content=content, headers=headers, timeout=PATIENCE)
