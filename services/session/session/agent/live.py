"""One live agent: a Claude Code process in its cell, spoken to through the SDK."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from claude_agent_sdk import (
    ClaudeAgentOptions,
    ClaudeSDKClient,
    ClaudeSDKError,
    Message,
    MirrorErrorMessage,
    PermissionResultDeny,
    ResultMessage,
    SessionStore,
    ToolPermissionContext,
)
from claude_agent_sdk.types import SystemPromptFile, SystemPromptPreset
from contracts.session.values import SdkOptions
from runtime.logging import get_logger

from session.agent.telling import Teller, Told
from session.model_proxy import ModelProxy
from session.sandbox import Sandbox
from session.transcript import Transcripts

log = get_logger()

# Glob and Grep only exist when they are named. What needs a network, a person or a later turn is left out.
TOOLS = [
    *("Bash", "Edit", "Glob", "Grep", "NotebookEdit", "Read", "WebSearch", "Write"),
    *("Task", "TaskCreate", "TaskGet", "TaskList", "TaskUpdate"),
]
MESSAGE_BYTES = 16 * 2**20
GRACE = 0.2
STOP_TIMEOUT = 10.0
STOPPED = "The agent was stopped."
NOT_STARTED = "The agent could not be started."
BROKE_DOWN = "The agent broke down before its turn was over."
NEEDS_APPROVAL = "This tool call needs approval, and approvals are not available. Go on without it."


@dataclass(frozen=True)
class AgentSpec:
    """Whose agent it is, where it works, and how it is to run."""

    session_id: UUID
    workspace: Path
    options: SdkOptions


@dataclass(frozen=True)
class Limits:
    """How many agents are kept for a next turn, for how long, and how patient they are with their model."""

    idle_agents: int = 8
    idle_seconds: float = 300
    start_seconds: float = 30
    model_retries: int = 2
    model_answer_seconds: float = 300
    model_silence_seconds: float = 60
    tool_seconds: float = 300


@dataclass(frozen=True)
class Surroundings:
    """What every agent of this replica needs."""

    sandbox: Sandbox
    proxy: ModelProxy
    transcripts: Transcripts
    limits: Limits


class AgentFailed(Exception):
    """The agent did not start, or ended before its turn did. The text is for users."""


class Agent:
    """An agent process: started once, it takes one turn after the other, until it is stopped.

    Raises:
        AgentFailed: there is no place for it.
    """

    def __init__(self, spec: AgentSpec, around: Surroundings) -> None:
        self.spec, self.busy, self.idle_since = spec, True, 0.0
        self._around, self._session = around, str(spec.session_id)
        self._token = secrets.token_urlsafe(32)
        try:
            self._cell = around.sandbox.cell(spec.workspace, _variables(self._token, around.limits))
        except OSError as error:
            log.warning("agent has no place", error=repr(error))
            raise AgentFailed(NOT_STARTED) from error
        self._transcript = around.transcripts.open(spec.session_id)
        self._teller = Teller()
        self._complaints: deque[str] = deque(maxlen=10)
        self._client: ClaudeSDKClient | None = None
        self._lifecycle, self._ended = asyncio.Lock(), False

    def claim(self, spec: AgentSpec) -> bool:
        """Take this agent for a turn, unless it is busy, has died, or runs with other options."""
        if self.busy or self.spec != spec or not self._cell.alive():
            return False
        self.busy = True
        return True

    def rest(self) -> None:
        """Be free for another turn."""
        self.busy, self.idle_since = False, time.monotonic()

    async def knows_all(self) -> bool:
        """Whether the conversation has not gone on elsewhere, where this agent did not hear it."""
        return not await self._transcript.moved_on()

    async def start(self) -> None:
        """Begin the conversation, or take it up where the transcript ends.

        Raises:
            AgentFailed: no process started, or it was stopped before.
        """
        async with self._lifecycle:
            if self._ended:
                raise AgentFailed(STOPPED)
            self._client = ClaudeSDKClient(self._options(await self._transcript.begun()))
            try:
                async with asyncio.timeout(self._around.limits.start_seconds):
                    await self._client.connect()
                await self._around.proxy.serve(self._cell.admit(), self._token)
            except (ClaudeSDKError, OSError) as error:
                log.warning("agent did not start", error=repr(error), complaints=list(self._complaints))
                raise AgentFailed(NOT_STARTED) from error

    async def turn(self, prompt: str) -> AsyncGenerator[Told]:
        """Put `prompt` to the agent and give what it tells, a `Finished` last.

        Raises:
            AgentFailed: the process ended, told nonsense, or its conversation could not be stored.
        """
        try:
            async with aclosing(self._messages(prompt)) as messages:
                async for message in messages:
                    for told in self._teller.tell(message):
                        yield told
        except AgentFailed:
            raise
        except Exception as error:  # what is run in there can write anything in the agent's name
            log.warning("agent broke down", error=repr(error), complaints=list(self._complaints))
            raise AgentFailed(STOPPED if self._ended else BROKE_DOWN) from error

    async def stop(self) -> None:
        """End the process with all it started, also in the middle of a turn; nothing happens when it has ended."""
        # To the end, even if the caller is cancelled meanwhile.
        await asyncio.shield(self._stop())

    async def _stop(self) -> None:
        async with self._lifecycle:
            if self._ended:
                return
            self._ended = True
            # The SDK first lets go of the process, which then ends by itself if it is idle.
            killing = asyncio.get_running_loop().call_later(GRACE, self._cell.kill)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    if self._client:
                        await self._client.disconnect()
            except (ClaudeSDKError, OSError) as error:
                log.warning("agent did not end well", error=repr(error))
            finally:
                killing.cancel()
                self._cell.kill()
                await self._around.proxy.leave(self._token)
                await self._cell.ended()
                self._cell.remove()

    async def _messages(self, prompt: str) -> AsyncGenerator[Message]:
        client = cast(ClaudeSDKClient, self._client)
        await client.query(prompt)
        async with aclosing(cast(AsyncGenerator[Message], client.receive_response())) as messages:
            async for message in messages:
                if isinstance(message, MirrorErrorMessage):
                    raise AgentFailed("The agent's conversation could not be stored.")
                yield message
                if isinstance(message, ResultMessage):
                    return
        raise AgentFailed(STOPPED if self._ended else BROKE_DOWN)

    def _options(self, begun: bool) -> ClaudeAgentOptions:
        wanted, confined = self.spec.options, self._around.sandbox.bwrap is not None
        return ClaudeAgentOptions(
            resume=self._session if begun else None,
            session_id=None if begun else self._session,
            session_store=cast(SessionStore, self._transcript),  # the rest of it is optional
            session_store_flush="eager",
            cwd=self.spec.workspace,
            cli_path=self._cell.entrance,
            env={"CLAUDE_CONFIG_DIR": str(self._cell.config)},
            stderr=self._complaints.append,
            max_buffer_size=MESSAGE_BYTES,
            include_partial_messages=True,
            verbatim_prompts=True,
            setting_sources=[],
            strict_mcp_config=True,
            can_use_tool=_refuse,
            tools=TOOLS if confined else [],
            disallowed_tools=wanted.disallowed_tools or [],
            system_prompt=self._system_prompt(),
            model=wanted.model,
            fallback_model=None if wanted.fallback_model == wanted.model else wanted.fallback_model,
            max_turns=wanted.max_turns,
            max_budget_usd=wanted.max_budget_usd,
            # As arguments: given as options, the SDK warns at each start that `_refuse` is not asked about them.
            extra_args={
                "permission-mode": wanted.permission_mode if confined else "default",
                "allowedTools": ",".join(wanted.allowed_tools or []),
            },
        )

    def _system_prompt(self) -> SystemPromptFile | SystemPromptPreset:
        if self.spec.options.system_prompt is None:
            return {"type": "preset", "preset": "claude_code"}
        # In a file, because an argument of a program has at most 128 KiB.
        path = self._cell.papers / "system_prompt"
        path.write_text(self.spec.options.system_prompt)
        return {"type": "file", "path": str(path)}


async def _refuse(_name: str, _input: dict[str, Any], _context: ToolPermissionContext) -> PermissionResultDeny:
    return PermissionResultDeny(message=NEEDS_APPROVAL)


def _variables(token: str, limits: Limits) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": token,
        "API_TIMEOUT_MS": _milliseconds(limits.model_answer_seconds),
        "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": _milliseconds(limits.model_silence_seconds),
        "CLAUDE_CODE_MAX_RETRIES": str(limits.model_retries),
        "CLAUDE_CODE_DISABLE_NONSTREAMING_FALLBACK": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        # What an agent does outside its turns, or notes outside its transcript and workspace, would be lost.
        "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",
        "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
        "MCP_TOOL_TIMEOUT": _milliseconds(limits.tool_seconds),
    }


def _milliseconds(seconds: float) -> str:
    return str(int(seconds * 1000))
