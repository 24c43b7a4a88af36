"""Use the running system as a client would: `python -m onebox.demo`."""

import secrets
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx
from runtime.settings import InvalidSettings, Settings, load

from onebox.folder import ADDRESS
from onebox.settings import url_of
from onebox.terminal import fail, report

CONTENT = "Hello from the demo."


class DemoSettings(Settings):
    """The address of the system: BASE_URL, its HOST and PORT, or the address recorded in its DATA_DIR."""

    base_url: str | None = None
    host: str | None = None
    port: int | None = None
    data_dir: Path = Path(".data")

    @property
    def url(self) -> str:
        """The URL of the system: from the settings, else from the data folder, else the default."""
        default = url_of(self.host or "127.0.0.1", self.port or 8000)
        if self.base_url or self.host or self.port:
            return self.base_url or default
        try:
            return (self.data_dir.expanduser() / "run" / ADDRESS).read_text()
        except OSError:
            return default


class DemoFailed(Exception):
    """The system did not behave as expected; the message says how, without a final period."""


class DemoClient:
    """A client of the API that reports each step."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def register(self) -> None:
        """Create an account and log in."""
        name, password = f"demo-{secrets.token_hex(4)}", secrets.token_urlsafe(12)
        account = {"email": f"{name}@example.com", "password": password}
        self._call("POST", "/auth/register", 201, {**account, "username": name, "full_name": "Demo User"})
        token = self._call("POST", "/auth/login", 200, account)["access_token"]
        self._http.headers["Authorization"] = f"Bearer {token}"
        report(f"1. Registered {name}@example.com and logged in.")

    def open_session(self) -> str:
        """Create a session whose agent may read and write files."""
        options = {"allowed_tools": ["Read", "Write"], "permission_mode": "default"}
        body = {"name": "Demo", "mode": "interactive", "sdk_options": options}
        session = self._call("POST", "/sessions", 201, body)
        report(f"2. Created session {session['id']}, status {session['status']}.")
        return session["id"]

    def ask(self, number: int, session: str, message: str) -> str:
        """Send a query to the agent, and return its answer."""
        answer = self._call("POST", f"/sessions/{session}/query", 200, {"message": message})
        tools = [f"{call['tool_name']} ({call['status']})" for call in answer["tool_calls"]]
        text = answer["content"]["text"]
        report(f"{number}. Asked: {message}\n   Tools: {', '.join(tools) or 'none'}\n   Answer: {text}")
        report(f"   Duration: {answer['metrics']['duration_ms']} ms. Cost: {answer['metrics']['cost_usd']} USD.")
        return text

    def check_history(self, session: str) -> None:
        """Check that the API returns the session, its messages and its tool calls."""
        sessions = self._call("GET", "/sessions", 200)["items"]
        expect(session in [item["id"] for item in sessions], "the session is not in the list of sessions")
        messages = self._call("GET", f"/sessions/{session}/messages", 200)["items"]
        kinds = [item["message_type"] for item in messages]
        expect(kinds.count("user") == 2 and "assistant" in kinds, f"unexpected message types {kinds}")
        calls = self._call("GET", f"/sessions/{session}/tool-calls", 200)["items"]
        done = {call["tool_name"] for call in calls if call["status"] == "success"}
        expect({"Read", "Write"} <= done, f"expected calls of Read and Write, but only {sorted(done)} succeeded")
        report(
            f"5. Found {len(sessions)} session, {len(messages)} messages and {len(calls)} tool calls in the history."
        )

    def close_session(self, session: str) -> None:
        """Delete the session, and check that it no longer exists."""
        self._call("DELETE", f"/sessions/{session}", 204)
        self._call("GET", f"/sessions/{session}", 404)
        report("6. Deleted the session. It no longer exists.")

    def _call(self, method: str, path: str, status: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
        response = self._http.request(method, f"/api/v1{path}", json=body)
        if response.status_code != status:
            raise DemoFailed(
                f"{method} {path} returned {response.status_code} instead of {status}: {response.text[:500]}"
            )
        return response.json() if response.content else {}


def expect(condition: bool, message: str) -> None:
    """Check a condition.

    Raises:
        DemoFailed: it is false.
    """
    if not condition:
        raise DemoFailed(message)


def run_demo(url: str) -> None:
    """Run all steps against the system at `url`.

    Raises:
        DemoFailed: the system did not behave as expected.
        httpx.HTTPError: the system does not answer.
    """
    with httpx.Client(base_url=url, timeout=300, trust_env=False) as http:  # ignore proxy settings: the system is local
        client = DemoClient(http)
        client.register()
        session = client.open_session()
        client.ask(3, session, f"Write the file hello.txt with the text: {CONTENT}")
        answer = client.ask(4, session, "Read the file hello.txt")
        expect(CONTENT in answer, "the answer of the agent does not contain the content of the file")
        client.check_history(session)
        client.close_session(session)
        report("The demo succeeded.")


def main() -> int:
    """Run the demo, and return the exit code."""
    try:
        settings = load(DemoSettings)
    except InvalidSettings as error:
        return fail(str(error), 2)
    url = settings.url
    try:
        run_demo(url)
    except httpx.ConnectError:
        return fail(
            f"Cannot connect to {url}. Start the system with `make run` in another terminal and wait until it is "
            "ready. If it has another address, set PORT, DATA_DIR or BASE_URL."
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return fail(f"The demo failed: a request to {url} failed ({error!r}).")
    except DemoFailed as error:
        return fail(f"The demo failed: {error}.")
    except (LookupError, TypeError, ValueError) as error:
        return fail(f"The demo failed: a response does not have the documented format ({error!r}).")
    return 0


if __name__ == "__main__":
    about = "Use the running system. Its address is BASE_URL, HOST and PORT, or the one recorded in its DATA_DIR."
    ArgumentParser("python -m onebox.demo", description=about).parse_args()
    sys.exit(main())
