"""One resource of each kind, whose owner a sweep keeps others from."""

from typing import Any

from onebox.testing.system import System, until
from simulator.testing import bash, scripted

from tests.e2e.mcp import register_url
from tests.e2e.sweep.operations import Ids
from tests.e2e.tasks import UserTask
from tests.e2e.user import User

DATED = scripted({"text": "Read {{date}}."})
YEARLY = "0 0 1 1 *"
WAITING = scripted(bash("touch made"), {"text": "Done."})
PERIOD = {"from": "2025-12-31T00:00:00Z", "to": "2026-01-02T00:00:00Z"}


class Owner(User):
    """A user with a resource of each kind."""

    def create_all(self, bystander: User) -> Ids:
        """Create the resources, and return what to fill path parameters with; `bystander` is an account to change."""
        session = self._session()
        return {
            **session,
            **self._task(),
            "archived_id": self._archived(),
            "approval_id": self._approval(),
            "template_id": self._post("/session-templates", name="one", category="DEVOPS"),
            "report_id": self._post("/reports", session_id=session["session_id"], format="json"),
            "server_id": register_url(self, "one", "https://mcp.invalid/")["id"],
            **self._webhook(),
            "key_id": self._post("/auth/api-keys", name="one", scopes=["read"]),
            "bus_user_id": self._post("/auth/bus-users", name="one"),
            "user_id": bystander.id(),
        }

    def _post(self, path: str, **body: Any) -> str:
        return self.http.post(path, json=body).raise_for_status().json()["id"]

    def _status(self, path: str) -> str:
        return self.http.get(path).raise_for_status().json()["status"]

    def _session(self) -> dict[str, str]:
        session_id = self.create()
        self.ask(session_id, scripted(bash("echo one"), {"text": "All is well."})).raise_for_status()
        self.http.put(f"/sessions/{session_id}/workspace/notes.txt", content=b"one").raise_for_status()
        [run] = self.items(f"/sessions/{session_id}/runs")
        return {
            "session_id": session_id,
            "run_id": run["id"],
            "message_id": self.items(f"/sessions/{session_id}/messages")[0]["id"],
            "tool_call_id": self.items(f"/sessions/{session_id}/tool-calls")[0]["id"],
            "path": "notes.txt",
        }

    def _archived(self) -> str:
        session_id = self.create()
        self.http.post(f"/sessions/{session_id}/archive", json={}).raise_for_status()
        return session_id

    def _approval(self) -> str:
        body = {"mode": "interactive", "sdk_options": {"allowed_tools": ["Read"]}}
        session_id = self.http.post("/sessions", json=body).raise_for_status().json()["id"]
        self.submit(session_id, WAITING).raise_for_status()
        until(lambda: self.items("/approvals", status="pending"))
        return self.items("/approvals", status="pending")[0]["id"]

    def _task(self) -> dict[str, str]:
        task = UserTask.create(self, DATED, schedule_cron=YEARLY)
        execution = task.ended(task.execute(date="today")["execution_id"])
        backfill = task.post("backfill", PERIOD).raise_for_status().json()
        until(lambda: self._status(f"{task.path}/backfills/{backfill['id']}") == "completed")
        trigger = task.post("triggers", {}).raise_for_status().json()
        ids = {"task_id": task.id, "execution_id": execution["id"]}
        return ids | {"backfill_id": backfill["id"], "trigger_id": trigger["id"]}

    def _webhook(self) -> dict[str, str]:
        body = {"url": "https://webhook.invalid/", "types": ["task.paused"]}
        webhook_id = self._post("/webhooks", **body)
        test = self.http.post(f"/webhooks/{webhook_id}/test").raise_for_status().json()
        return {"webhook_id": webhook_id, "delivery_id": test["id"]}


def administrator(system: System) -> User:
    """Return the first administrator, who is not logged in yet."""
    admin = User(system.base_url)
    admin.email, admin.password = system.admin_email, system.admin_password
    return admin
