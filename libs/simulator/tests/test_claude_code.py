from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient
from claude_agent_sdk import AssistantMessage, ClaudeAgentOptions, ResultMessage, ToolUseBlock, query

pytestmark = pytest.mark.usefixtures("servers")

type Client = TestClient[web.Request, web.Application]


def options(client: Client, workspace: Path, home: Path) -> ClaudeAgentOptions:
    env = {
        "ANTHROPIC_BASE_URL": str(client.make_url("")).rstrip("/"),
        "ANTHROPIC_API_KEY": "test",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
        "CLAUDE_CONFIG_DIR": str(home),
        "IS_SANDBOX": "1",
    }
    return ClaudeAgentOptions(cwd=workspace, env=env, permission_mode="bypassPermissions", setting_sources=[])


async def test_claude_code_reads_the_file_that_the_prompt_names(client: Client, tmp_path: Path) -> None:
    workspace, home = tmp_path / "workspace", tmp_path / "home"
    workspace.mkdir()
    (workspace / "note.txt").write_text("a quiet otter")

    messages = [m async for m in query(prompt="read the file note.txt", options=options(client, workspace, home))]

    calls = [b for m in messages if isinstance(m, AssistantMessage) for b in m.content if isinstance(b, ToolUseBlock)]
    results = [m.result or "" for m in messages if isinstance(m, ResultMessage)]
    assert ([call.name for call in calls], "a quiet otter" in results[-1]) == (["Read"], True)
