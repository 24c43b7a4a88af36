"""Secrets that users entrust to the system, or get from it once, used in every way in which they can be."""

import secrets
from typing import Any

from onebox.testing.planted import planted
from onebox.testing.system import until
from runtime.secrets.api_key import ApiKeyText
from simulator.testing import scripted

from tests.e2e.streams import talking
from tests.e2e.tasks import UserTask, fire
from tests.e2e.user import User


class Planter:
    """A user who uses secrets everywhere, and an administrator who issues some."""

    def __init__(self, user: User, admin: User) -> None:
        self.user, self.admin = user, admin
        self.label = secrets.token_hex(24)
        """Stored in the clear beside the secrets, so that a search of the wrong places is noticed."""
        self.planted: dict[str, str] = {}

    def plant(self) -> None:
        """Register the user, and use all kinds of secrets. Afterwards the user is logged in."""
        self.user.password = self._new("password")
        self.user.register()
        self._logins()
        session_id = self._environment()
        self._sockets(session_id)
        self._api_key()
        self._server()
        self._trigger()
        self._link(session_id)
        self._reset()
        self.user.log_in()

    def _new(self, kind: str) -> str:
        self.planted[kind] = value = planted(secrets.token_hex(24))
        return value

    def _logins(self) -> None:
        first = self.user.log_in()
        refreshed = self.user.http.post("/auth/refresh", json={"refresh_token": first["refresh_token"]}).json()
        for tokens in (first, refreshed):
            self.planted[f"refresh token {len(self.planted)}"] = tokens["refresh_token"]
            self.planted[f"access token {len(self.planted)}"] = tokens["access_token"].rpartition(".")[2]
        body = {"email": self.user.email, "password": self._new("plantedsecret-wrong password")}
        assert self.user.http.post("/auth/login", json=body).is_client_error
        body = {"email": f"{self._new('password in the wrong field')}@example.com", "password": "x"}
        assert self.user.http.post("/auth/login", json=body).is_client_error

    def _environment(self) -> str:
        session_id = self.user.create(env={"TOKEN": self._new("env")})
        changes = {"name": self.label, "sdk_options": {"env": {"TOKEN": self._new("changed env")}}}
        self.user.http.patch(f"/sessions/{session_id}", json=changes).raise_for_status()
        self.user.ask(session_id, scripted({"text": self.label})).raise_for_status()
        self._post(f"/sessions/{session_id}/fork", name=self.label)
        return session_id

    def _sockets(self, session_id: str) -> None:
        token = self.user.http.headers["authorization"].removeprefix("Bearer ")
        with talking(self.user, session_id, f"?token={token}", headers={}):
            pass
        self.user.http.get("/nothing", params={"token": token, "password": self._new("query string")})

    def _api_key(self) -> None:
        created = self._post("/auth/api-keys", name=self.label, scopes=["read"])
        self.planted["API key"] = ApiKeyText.parse(created["key"]).secret
        self.user.http.get("/auth/me", headers={"x-api-key": created["key"], "authorization": ""}).raise_for_status()

    def _server(self) -> None:
        remote = {"name": self.label, "server_type": "HTTP", "url": "https://mcp.invalid/"}
        server = self._post("/mcp-servers", **remote, headers={"X-Key": self._new("MCP header")})
        self.user.http.post(f"/mcp-servers/{server['id']}/check")
        changes = {"headers": {"X-Key": self._new("changed MCP header")}}
        self.user.http.patch(f"/mcp-servers/{server['id']}", json=changes).raise_for_status()
        self._program()

    def _program(self) -> None:
        """Have a program as an MCP server, which writes its secret to its log."""
        words = {"command": "sh", "args": ["-c", "echo $TOKEN | tee /dev/stderr"], "server_type": "STDIO"}
        body = {"name": self.label, **words, "env": {"TOKEN": self._new("env of a program")}}
        server = self.admin.http.post("/mcp-servers", json=body).raise_for_status().json()
        checked = self.admin.http.post(f"/mcp-servers/{server['id']}/check").raise_for_status().json()
        assert checked["health"] == "unhealthy"

    def _trigger(self) -> None:
        task = UserTask.create(self.user, sdk_options={"env": {"TOKEN": self._new("env of a task")}})
        trigger = task.post("triggers", {"name": self.label}).raise_for_status().json()
        rotated = task.post(f"triggers/{trigger['id']}/rotate").raise_for_status().json()
        self.planted["webhook secret"] = trigger["secret"].removeprefix("whsec_")
        self.planted["rotated webhook secret"] = rotated["secret"].removeprefix("whsec_")
        execution_id = fire(trigger, {}, secret=rotated["secret"]).raise_for_status().json()["execution_id"]
        assert task.ended(execution_id)["status"] == "completed"

    def _link(self, session_id: str) -> None:
        report = self._post("/reports", session_id=session_id, format="json")
        link = self._post(f"/reports/{report['id']}/links")
        self.planted["report link"] = link["url"].rpartition("=")[2]
        self.user.http.get(link["url"], headers={"authorization": ""}).raise_for_status()

    def _reset(self) -> None:
        path = f"/admin/users/{self.user.id()}/password-reset"
        token = self.admin.http.post(path).raise_for_status().json()["reset_token"]
        self.planted["reset token"] = token.rpartition(".")[2]
        body = {"reset_token": token, "new_password": self._new("new password")}
        self.user.http.post("/auth/reset-password", json=body).raise_for_status()
        until(lambda: self.user.http.get("/auth/me").is_client_error)
        self.user.password = self.planted["new password"]

    def _post(self, path: str, **body: Any) -> dict[str, Any]:
        return self.user.http.post(path, json=body).raise_for_status().json()
