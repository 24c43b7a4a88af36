"""The settings of agents: what they may use, and their program."""

from typing import Any

import pytest
from eventing.testing.key_rings import ring_json
from pydantic import ValidationError
from session.agent.options import Limits
from session.settings import Settings

REQUIRED = {
    "database_url": "postgresql://x",
    "nats_url": "nats://x",
    "workspaces_dir": "/x",
    "model_base_url": "http://x",
    "secrets_keys": ring_json("test"),
}


def settings(**values: Any) -> Settings:
    return Settings.model_validate(REQUIRED | values)


def test_an_agent_may_start_2048_processes_by_default() -> None:
    assert settings().agent_resources.processes == 2048


@pytest.mark.parametrize(("processors", "starts"), [(None, 1), (1, 1), (2, 1), (4, 3)])
def test_the_starts_of_a_user_leave_a_processor_to_others(
    monkeypatch: pytest.MonkeyPatch, processors: int | None, starts: int
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: processors)
    assert Limits().max_concurrent_starts == starts


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("agent_processes", value) for value in (63, 2**22)),
        *(("agent_memory_bytes", value) for value in (2**30 - 1, 2**64)),
        *(("mcp_program_memory_bytes", value) for value in (2**28 - 1, 2**64)),
    ],
)
def test_a_limit_that_the_kernel_refuses_is_invalid(name: str, value: int) -> None:
    with pytest.raises(ValidationError, match=name):
        settings(**{name: value})


@pytest.mark.parametrize(("path", "reason"), [("claude", "an absolute path"), ("/etc/passwd", "/etc/passwd is not an")])
def test_a_program_of_agents_that_cannot_be_executed_is_named(path: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        settings(agent_path=path)
