"""What the real Claude Code CLI sends to the model passes the proxy whole; what it never sends does not."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest
import session.agent.model_proxy
from contracts.session.values import ApprovalOutcome
from sandbox.bwrap_args import PYTHON
from session.agent.model_proxy.headers import BETA_HEADER, request_headers
from simulator.testing import calling, scripted

from services.session.tests.replica import Replica

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
DROPPED = {"accept-encoding", "connection", "content-length", "content-type", "host", "x-api-key"}
SEARCH = ("WebSearch", {"query": "cats of Oslo"})
SEARCHED = "Web search results"
TURNS = [
    calling(("Read", {"file_path": "/workspace/pixel.png"})),
    calling(SEARCH),
    calling(("Task", {"description": "a test", "prompt": "Hi.", "subagent_type": "general-purpose"})),
    {"text": "Done."},
]
FORMAT = {"type": "json_schema", "schema": {"type": "object", "properties": {"n": {"type": "integer"}}}}
SESSIONS: list[dict[str, Any]] = [
    {"model": "opus", "fallback_model": "haiku"},
    {"model": "claude-sonnet-4-6[1m]", "effort": "max", "output_format": FORMAT},
    {"model": "some-model"},
]
# Asks the provider to search, as any program in the sandbox can, and prints the status of the answer.
FORGED = f"""{PYTHON} -I -c '
import json, os, urllib.request, urllib.error
tool = {{"type": "web_search_20250305", "name": "web_search"}}
message = {{"role": "user", "content": "Hi."}}
body = {{"model": "some-model", "max_tokens": 9, "messages": [message], "tools": [tool]}}
url, headers = os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", {{"x-api-key": os.environ["ANTHROPIC_API_KEY"]}}
try:
    print(urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).status)
except urllib.error.HTTPError as error:
    print(error.status)
'"""


@pytest.fixture
def changes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of headers and betas of requests that were not forwarded as they were sent."""
    changed: list[str] = []

    def forwarded(headers: Mapping[str, str]) -> dict[str, str]:
        kept = request_headers(headers)
        names = {name.lower() for name in headers} - {name.lower() for name in kept} - DROPPED
        changed.extend(
            [*names, *({*headers.get(BETA_HEADER, "").split(",")} - {*kept.get(BETA_HEADER, "").split(",")})]
        )
        return kept

    monkeypatch.setattr(session.agent.model_proxy, "request_headers", forwarded)
    return changed


@pytest.mark.claude_code
@pytest.mark.parametrize("options", SESSIONS, ids=lambda options: options["model"])
async def test_everything_that_the_cli_sends_is_forwarded(
    replica: Replica, changes: list[str], options: dict[str, Any]
) -> None:
    (replica.workspaces / "one").mkdir(parents=True)
    (replica.workspaces / "one" / "pixel.png").write_bytes(b64decode(PIXEL))
    outputs = (await replica.ask(scripted(*TURNS), **options)).outputs
    assert (outputs[0], SEARCHED in outputs[1], len(outputs), changes) == ("[image]", True, 3, [])


@pytest.mark.claude_code
async def test_an_approved_search_reaches_the_provider(replica: Replica) -> None:
    async def approve(*_: object) -> ApprovalOutcome:
        return ApprovalOutcome(decision="approved")

    events = await replica.run(replica.spec(permission_mode="default"), scripted(calling(SEARCH), TURNS[-1]), approve)
    assert SEARCHED in events.outputs[0]


async def test_a_program_in_the_sandbox_does_not_search_without_an_approval(replica: Replica) -> None:
    options: dict[str, Any] = {"permission_mode": "default", "allowed_tools": ["Bash"], "model": "some-model"}
    assert await replica.bash(FORGED, **options) == "403"
    assert await replica.bash(FORGED, "two", **options | {"allowed_tools": ["Bash", "WebSearch"]}) == "200"
