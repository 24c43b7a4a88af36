"""A user of the whole system, over HTTP and nothing else."""

import asyncio
import secrets
from collections.abc import Generator
from functools import cache
from typing import Any
from urllib.parse import quote

import asyncpg
import httpx
from gateway.app import ROUTERS
from gateway.schemas.base import SecretResponse
from onebox.testing.responses import SearchedResponses
from onebox.testing.system import System, until
from simulator.testing import bash, scripted

SEARCHED = SearchedResponses(ROUTERS, SecretResponse)
ADMIN = "admin"
PASSWORD = "plantedsecret-analytical engine"
HELD = scripted(bash("until [ -e go ]; do sleep 0.1; done"), {"text": "at last"})
"""A prompt whose agent works until `let_go`."""

NAME = 'What is my name? [[simulate {"turns": [{}]}]]'

PATIENCE = 120
"""Seconds that a busy machine has for a response: less than a test has."""
KEPT_SECONDS = 1.0
"""How long an idle connection is used again: less than the gateway keeps it, or a request may meet its end."""


def searched_client(base_url: str, **headers: str) -> httpx.Client:
    """Return a client that fails when a response has a secret that it should not have."""
    limits, hooks = httpx.Limits(keepalive_expiry=KEPT_SECONDS), {"response": [SEARCHED.check]}
    return httpx.Client(base_url=base_url, headers=headers, timeout=PATIENCE, limits=limits, event_hooks=hooks)


class User:
    """Someone with an account, who is logged in."""

    def __init__(self, base_url: str) -> None:
        self.http = searched_client(f"{base_url}/api/v1")
        self.name = f"user-{secrets.token_hex(6)}"
        self.email = f"{self.name}@example.com"
        self.password = PASSWORD

    def register(self) -> None:
        body = {"email": self.email, "username": self.name, "password": self.password}
        self.http.post("/auth/register", json=body).raise_for_status()

    def id(self) -> str:
        return self.http.get("/auth/me").raise_for_status().json()["id"]

    def log_in(self, email: str | None = None, password: str | None = None) -> dict[str, Any]:
        body = {"email": email or self.email, "password": password or self.password}
        answer = self.http.post("/auth/login", json=body)
        tokens = answer.raise_for_status().json()
        self.http.headers["authorization"] = f"Bearer {tokens['access_token']}"
        return tokens

    def create(self, *tools: str, **options: Any) -> str:
        wanted = {"allowed_tools": tools or ["Bash", "Read", "Write"], "after_crash": "end", **options}
        body = {"name": "one", "mode": "interactive", "sdk_options": wanted}
        return self.http.post("/sessions", json=body).raise_for_status().json()["id"]

    def ask(self, session_id: str, message: str) -> httpx.Response:
        return self.http.post(f"/sessions/{session_id}/query", json={"message": message})

    def submit(self, session_id: str, message: str, on_busy: str = "reject") -> httpx.Response:
        """Ask, and do not wait for the answer."""
        body = {"message": message, "on_busy": on_busy}
        return self.http.post(f"/sessions/{session_id}/query", json=body, headers={"prefer": "respond-async"})

    def run(self, session_id: str, run_id: str) -> dict[str, Any]:
        return self.http.get(f"/sessions/{session_id}/runs/{run_id}").raise_for_status().json()

    def ended(self, session_id: str, run_id: str) -> dict[str, Any]:
        """Wait until the run is over, and return it."""
        until(lambda: self.run(session_id, run_id)["ended_at"])
        return self.run(session_id, run_id)

    def bash(self, session_id: str, command: str) -> str:
        """Let the agent run a command, and return what that wrote."""
        self.ask(session_id, scripted(bash(command), {"text": "Done."})).raise_for_status()
        calls = self.items(f"/sessions/{session_id}/tool-calls")
        return calls[-1]["tool_output"]["content"]

    def items(self, path: str, **query: Any) -> list[dict[str, Any]]:
        return self.http.get(path, params=query).raise_for_status().json()["items"]

    def status(self, session_id: str) -> str:
        return self.http.get(f"/sessions/{session_id}").raise_for_status().json()["status"]


def newcomer(system: System) -> Generator[User]:
    """Register someone new and log them in."""
    user = User(system.base_url)
    with user.http:
        user.register()
        user.log_in()
        yield user


@cache
def _logged_in(system: System, name: str) -> User:
    """Return an account of a system, which is registered and logged in once in a test process."""
    user = User(system.base_url)
    with user.http:
        if name == ADMIN:
            user.log_in(system.admin_email, system.admin_password)
        else:
            user.register()
            user.log_in()
    return user


def known_user(system: System, name: str = "") -> Generator[User]:
    """Let tests share an account of this name, and the login that it has."""
    account = _logged_in(system, name)
    user = User(system.base_url)
    user.name, user.email = account.name, account.email
    user.http.headers["authorization"] = account.http.headers["authorization"]
    with user.http:
        yield user


def admin_of(system: System) -> Generator[User]:
    """Let tests share the login of the administrator."""
    yield from known_user(system, ADMIN)


def change(admin: User, user: User, **changes: Any) -> None:
    """Change an account."""
    admin.http.patch(f"/admin/users/{user.id()}", json=changes).raise_for_status()


def let_go(system: System, session_id: str) -> None:
    """Let the command of `HELD` come to its end, or not even wait."""
    folder = system.data_dir / "workspaces" / session_id
    until(folder.is_dir)  # a run is started before its agent is
    (folder / "go").touch()


def error(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the error code of a refusal."""
    return answer.status_code, answer.json()["error_code"]


def set_active(system: System, user: User, *, active: bool) -> None:
    """Disable or enable an account in the database alone, so that its tokens stay valid."""

    async def update() -> None:
        socket = quote(str(system.data_dir / "postgres"), safe="/")
        url = f"postgresql://agentapi@/agentapi?host={socket}"
        connection = await asyncpg.connect(url, server_settings={"search_path": "identity"})
        try:
            statement = "UPDATE users SET is_active = $2 WHERE username = $1"
            assert await connection.execute(statement, user.name, active) == "UPDATE 1"
        finally:
            await connection.close()

    asyncio.run(update())


def said(user: User, session_id: str, message: str) -> str:
    """Return what an agent answers."""
    return user.ask(session_id, message).raise_for_status().json()["content"]["text"]
