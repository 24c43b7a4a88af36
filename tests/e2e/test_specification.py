"""The specification's own examples, sent as they stand, are answered as it shows."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
from onebox.testing.system import System, until

from tests.e2e.user import PATIENCE, searched_client

TEXT = (Path(__file__).parent / "specification.md").read_text()
OPERATION = re.compile(r"^### (GET|POST|DELETE) (/\S*)\n(.*?)(?=^#{2,3} |\Z)", re.DOTALL | re.MULTILINE)
BLOCK = r".*?```json\n(.*?)```"
ORDER = (
    *("POST /api/v1/auth/register", "POST /api/v1/auth/login", "POST /api/v1/auth/refresh"),
    *("POST /api/v1/session-templates", "GET /api/v1/session-templates"),
    *("GET /api/v1/session-templates/{template_id}", "POST /api/v1/sessions", "GET /api/v1/sessions"),
    *("POST /api/v1/sessions/{session_id}/query", "GET /api/v1/sessions/{session_id}"),
    *("GET /api/v1/sessions/{session_id}/messages", "GET /api/v1/sessions/{session_id}/tool-calls"),
    *("POST /api/v1/sessions/{session_id}/fork", "POST /api/v1/sessions/{session_id}/archive"),
    *("POST /api/v1/tasks", "GET /api/v1/tasks", "POST /api/v1/tasks/{task_id}/execute"),
    *("GET /api/v1/tasks/{task_id}/executions", "POST /api/v1/reports", "GET /api/v1/reports/{report_id}/download"),
    *("POST /api/v1/mcp-servers", "GET /api/v1/mcp-servers"),
    *("POST /api/v1/mcp-servers/import", "GET /api/v1/mcp-servers/export"),
    *("GET /api/v1/admin/stats", "GET /api/v1/admin/users"),
    *("DELETE /api/v1/sessions/{session_id}", "GET /health", "GET /metrics"),
)
"""A user's way through it: nobody logs in before they registered."""
READ = ' [[simulate {"turns": [{"tools": [{"name": "Bash", "input": {"command": "ls", "description": "look"}}]}, {}]}]]'
"""Lets the simulated model call a tool, as the real one does in the example."""
SERVERS = '{"mcpServers": {"weather": {"url": "https://mcp.invalid/"}}}'


@dataclass(frozen=True)
class Example:
    """One endpoint, as the specification shows it."""

    name: str
    body: Any
    status: int
    answer: Any


def _json(text: str | None) -> Any:
    # As it is written for people: with comments, and with dots for what is left out.
    return text and json.loads(re.sub(r" //.*", "", text).replace("{...}", "{}"))


def _examples() -> Iterator[Example]:
    for method, path, text in OPERATION.findall(TEXT):
        before, _, after = text.partition("**Response")
        body = re.search(r"\*\*Request Body\*\*:" + BLOCK, before, re.DOTALL)
        answer = re.search(BLOCK, after, re.DOTALL)
        status = re.match(r" \((\d+)", after)
        yield Example(
            f"{method} {path}", _json(body and body[1]), int(status[1]) if status else 200, _json(answer and answer[1])
        )


EXAMPLES = {example.name: example for example in _examples()}


def differences(shown: Any, given: Any, place: str = "") -> list[str]:
    """Say which keys of an example an answer lacks, and which values are of another kind; it may have more keys."""
    if isinstance(shown, dict) and isinstance(given, dict):
        shown, given = cast(dict[str, Any], shown), cast(dict[str, Any], given)
        missing = [f"{place}.{name} is missing" for name in shown if name not in given]
        if place.endswith(("tool_input", "tool_output")):  # any input and output of the tool
            return []
        both = [name for name in shown if name in given]
        return missing + [each for name in both for each in differences(shown[name], given[name], f"{place}.{name}")]
    if isinstance(shown, list) and isinstance(given, list):
        shown, given = cast(list[Any], shown), cast(list[Any], given)
        if shown and not given:
            return [f"{place} is empty"]
        return differences(shown[0], given[0], f"{place}[0]") if shown else []
    return [] if _alike(shown, given) else [f"{place} is {given!r}, not like {shown!r}"]


def _alike(shown: Any, given: Any) -> bool:
    return isinstance(given, int | float) if isinstance(shown, float) else type(shown) is type(given)


class Reader:
    """Sends the examples, with the ids and tokens that it was given in place of those that the text makes up."""

    def __init__(self, http: httpx.Client, admin: Mapping[str, str]) -> None:
        self.http, self.admin, self.known = http, admin, dict[str, str]()

    def send(self, example: Example) -> httpx.Response:
        method, path = example.name.split()
        body = json.loads(json.dumps(example.body))
        for name in ("template_id", "refresh_token", "session_id"):
            if body and name in body:
                body[name] = self.known[name]
        if path.endswith("/query"):
            body["message"] += READ
        if path.endswith("/executions"):
            until(lambda: self.http.get(path.format(**self.known)).json()["items"][0]["completed_at"])
        sent: dict[str, Any] = {"files": {"file": ("servers", SERVERS)}} if path.endswith("/import") else {"json": body}
        if path.startswith(("/api/v1/mcp-servers", "/api/v1/admin")):
            sent["headers"] = self.admin  # the example of a server is a program, which only administrators may register
        answer = self.http.request(method, path.format(**self.known), **sent)
        self._note(path, answer)
        return answer

    def _note(self, path: str, answer: httpx.Response) -> None:
        given: dict[str, Any] = answer.json() if answer.headers.get("content-type") == "application/json" else {}
        names = {
            "/api/v1/sessions": "session_id",
            "/api/v1/session-templates": "template_id",
            "/api/v1/tasks": "task_id",
            "/api/v1/reports": "report_id",
        }
        if path in names and "id" in given:
            self.known[names[path]] = given["id"]
        if "access_token" in given:
            self.known["refresh_token"] = given["refresh_token"]
            self.http.headers["authorization"] = f"Bearer {given['access_token']}"


def test_every_implemented_endpoint_of_the_specification_is_called() -> None:
    assert set(ORDER) == set(EXAMPLES)


def test_the_examples_of_the_specification_work_word_for_word(system: System) -> None:
    with searched_client(system.base_url) as http:
        login = {"email": system.admin_email, "password": system.admin_password}
        token = http.post("/api/v1/auth/login", json=login).json()["access_token"]
        reader = Reader(http, {"authorization": f"Bearer {token}"})
        for name in ORDER:
            example = EXAMPLES[name]
            answer = reader.send(example)
            assert answer.status_code == example.status, f"{name}: {answer.text}"
            if example.answer:
                assert differences(example.answer, answer.json()) == [], name


def test_metrics_have_the_names_of_the_specification(system: System) -> None:
    text = httpx.get(f"{system.base_url}/metrics", timeout=PATIENCE).text
    assert "# HELP sessions_total Total number of sessions\n" in text
    assert "# HELP api_requests_total Total API requests\n# TYPE api_requests_total counter\n" in text


def test_differences_between_answers_are_found() -> None:
    for shown, given, number in (
        ({"a": 1}, {"a": 2, "b": 3}, 0),
        ({"a": 1}, {}, 1),
        ({"a": "x"}, {"a": None}, 1),
        ([{"a": 1}], [], 1),
        ([{"a": 0.5}], [{"a": 1}], 0),
    ):
        assert len(differences(shown, given)) == number, (shown, given)
