"""Drives the running system as a user would: `python -m onebox.demo`."""

import secrets
import sys
from pathlib import Path
from typing import Any

import httpx
from runtime.settings import InvalidSettings, Settings, load

from onebox.banner import url_of
from onebox.folder import ADDRESS
from onebox.terminal import fail, say

WORDS = "Hello from the demo."


class DemoSettings(Settings):
    """Where the system is: BASE_URL, the HOST and PORT it was started with, or what its DATA_DIR says."""

    base_url: str | None = None
    host: str | None = None
    port: int | None = None
    data_dir: Path = Path(".data")

    @property
    def url(self) -> str:
        """The address of the system: as told, else of the one that runs on the data folder, else the usual one."""
        usual = url_of(self.host or "127.0.0.1", self.port or 8000)
        if self.base_url or self.host or self.port:
            return self.base_url or usual
        try:
            return (self.data_dir.expanduser() / "run" / ADDRESS).read_text()
        except OSError:
            return usual


class Off(Exception):
    """One sentence: what was not as it should be."""


class Visitor:
    """Someone who uses the system over HTTP, and says what happens."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def register(self) -> None:
        """Make an account, and log in with it."""
        name, password = f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
        account = {"email": f"{name}@example.com", "password": password}
        self._call("POST", "/auth/register", 201, {**account, "username": name, "full_name": "Demo Visitor"})
        token = self._call("POST", "/auth/login", 200, account)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        say(f"1. Registered {name}@example.com and logged in.")

    def open_session(self) -> str:
        """Create a session whose agent may read and write files."""
        options = {"allowed_tools": ["Read", "Write"], "permission_mode": "default"}
        wanted = {"name": "Demo", "mode": "interactive", "sdk_options": options}
        session = self._call("POST", "/sessions", 201, wanted)
        say(f"2. Created session {session['id']}, status {session['status']}.")
        return session["id"]

    def ask(self, number: int, session: str, message: str) -> str:
        """Let the agent work, and give its answer."""
        answer = self._call("POST", f"/sessions/{session}/query", 200, {"message": message})
        tools = [f"{call['tool_name']} ({call['status']})" for call in answer["tool_calls"]]
        text = answer["content"]["text"]
        say(f"{number}. Asked: {message}\n   Tools: {', '.join(tools) or 'none'}\n   Answer: {text}")
        say(f"   It took {answer['metrics']['duration_ms']} ms and {answer['metrics']['cost_usd']} USD.")
        return text

    def look_back(self, session: str) -> None:
        """Check that what happened was kept."""
        sessions = self._call("GET", "/sessions", 200)["items"]
        expect(session in [item["id"] for item in sessions], "the session is not in the list of sessions")
        messages = self._call("GET", f"/sessions/{session}/messages", 200)["items"]
        kinds = [item["message_type"] for item in messages]
        expect(kinds.count("user") == 2 and "assistant" in kinds, f"the messages are {kinds}")
        calls = self._call("GET", f"/sessions/{session}/tool-calls", 200)["items"]
        done = {call["tool_name"] for call in calls if call["status"] == "success"}
        expect({"Read", "Write"} <= done, f"of the tools Read and Write only {sorted(done)} succeeded")
        say(f"5. Found {len(sessions)} session, {len(messages)} messages and {len(calls)} tool calls kept.")

    def close_session(self, session: str) -> None:
        """Delete the session, and check that it is gone."""
        self._call("DELETE", f"/sessions/{session}", 204)
        self._call("GET", f"/sessions/{session}", 404)
        say("6. Deleted the session; it is gone.")

    def _call(self, method: str, path: str, status: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._http.request(method, f"/api/v1{path}", json=body)
        if response.status_code != status:
            raise Off(f"{method} {path} answered {response.status_code} and not {status}: {response.text[:500]}")
        return response.json() if response.content else {}


def expect(holds: bool, otherwise: str) -> None:
    """Check one thing.

    Raises:
        Off: it does not hold.
    """
    if not holds:
        raise Off(otherwise)


def visit(url: str) -> None:
    """Go through the whole journey.

    Raises:
        Off: something was not as it should be.
        httpx.HTTPError: the system does not answer.
    """
    with httpx.Client(base_url=url, timeout=300, trust_env=False) as http:  # no proxy between us and this machine
        visitor = Visitor(http)
        visitor.register()
        session = visitor.open_session()
        visitor.ask(3, session, f"Write the file hello.txt with the text: {WORDS}")
        answer = visitor.ask(4, session, "Read the file hello.txt")
        expect(WORDS in answer, "the agent did not say what is in the file")
        visitor.look_back(session)
        visitor.close_session(session)
        say("All is well.")


def main() -> int:
    """Run the demonstration, and give the exit code."""
    try:
        settings = load(DemoSettings)
    except InvalidSettings as wrong:
        return fail(str(wrong), 2)
    url = settings.url
    try:
        visit(url)
    except httpx.ConnectError:
        return fail(
            f"Nothing answers at {url}. Start the system with `make run` in another terminal, and wait until it is "
            "ready; set PORT, DATA_DIR or BASE_URL when it is elsewhere."
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return fail(f"Something is off: {error!r} while talking to {url}.")
    except Off as off:
        return fail(f"Something is off: {off}.")
    except (LookupError, TypeError, ValueError) as error:
        return fail(f"Something is off: an answer is not of the promised shape ({error!r}).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
