"""Requests of the real Claude Code CLI pass the model proxy unchanged; others do not."""

from base64 import b64decode
from collections.abc import Mapping
from typing import Any

import pytest
import session.agent.model_proxy
from contracts.session.values import ApprovalOutcome
from session.agent.model_proxy.headers import BETA_HEADER, request_headers
from simulator.testing import calling, scripted

from services.session.tests.replica import Replica

pytestmark = pytest.mark.claude_code

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
SESSIONS: list[Any] = [
    {"model": "claude-sonnet-4-6[1m]", "effort": "max", "output_format": FORMAT, "fallback_model": "haiku"},
    pytest.param({"model": "opus", "fallback_model": "haiku"}, marks=pytest.mark.long),
    pytest.param({"model": "some-model"}, marks=pytest.mark.long),
]


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


async def approve(*_: object) -> ApprovalOutcome:
    return ApprovalOutcome(decision="approved")


@pytest.mark.parametrize("options", SESSIONS, ids=lambda options: options["model"])
async def test_all_that_the_cli_sends_is_forwarded_with_an_approved_search(
    replica: Replica, changes: list[str], options: dict[str, Any]
) -> None:
    (replica.workspaces / "one").mkdir(parents=True)
    (replica.workspaces / "one" / "pixel.png").write_bytes(b64decode(PIXEL))
    spec = replica.spec(permission_mode="default", **options)
    outputs = (await replica.run(spec, scripted(*TURNS), approve)).outputs
    assert (outputs[0], SEARCHED in outputs[1], len(outputs), changes) == ("[image]", True, 3, [])
