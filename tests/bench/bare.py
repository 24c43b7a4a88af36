"""The control of what agents do: Claude Code by its SDK alone, in the sandbox that the service's agents have."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, Self

from claude_agent_sdk import (
    ClaudeSDKClient,
    HookContext,
    HookInput,
    HookJSONOutput,
    HookMatcher,
    Message,
    PermissionResultAllow,
    ToolPermissionContext,
    ToolResultBlock,
    UserMessage,
)
from contracts.session.values import SdkOptions
from runtime.clock import new_id
from sandbox import Sandbox
from session.agent.agent_process import prepare_agent, probe_of
from session.agent.model_proxy import Access, ModelProxy
from session.agent.options import AgentSpec, Limits, variables
from session.agent.sdk_options import options

from tests.bench.stage import Stage

TOOLS = ["Bash", "Read", "Write"]


class BareAgent:
    """An agent run as the service runs it, but nothing is stored and no events are sent."""

    def __init__(self, stage: Stage, sandbox: Sandbox, proxy: ModelProxy, *, hooked: bool = False) -> None:
        self._proxy, self._token, self._access = proxy, str(new_id()), Access()
        spec = AgentSpec(new_id(), stage.folder.path / self._token, SdkOptions(allowed_tools=TOOLS))
        self._process = prepare_agent(sandbox, spec.workspace, variables(self._token, spec, Limits()))
        wanted = options(spec, self._process, Limits(), resuming=False, confined=sandbox.confines)
        hooks = {"PreToolUse": [HookMatcher(hooks=[_let_begin])]} if hooked else None
        self._client = ClaudeSDKClient(replace(wanted, can_use_tool=_permit, hooks=hooks, stderr=_drop))
        self._started = False

    @classmethod
    @asynccontextmanager
    async def some(cls, stage: Stage, number: int, *, hooked: bool = False) -> AsyncGenerator[list[Self]]:
        """Make so many, which are all ended in the end. With a hook that does nothing, each call asks it first."""
        sandbox, _ = await Sandbox.find(probe_of())
        async with ModelProxy(stage.model, None) as proxy:
            agents = [cls(stage, sandbox, proxy, hooked=hooked) for _ in range(number)]
            try:
                yield agents
            finally:
                for agent in agents:
                    await agent._end()

    async def ask(self, prompt: str) -> list[str]:
        """Put a prompt, hear the answer to its end, and return the results of tools; the first one starts the agent."""
        if not self._started:
            await self._client.connect()
            await self._proxy.serve(self._process.accept(), self._token, self._access)
            self._started = True
        with self._access.turn(None):
            await self._client.query(prompt)
            return [result async for result in _results(self._client.receive_response())]

    async def _end(self) -> None:
        with suppress(Exception):  # it was killed by then
            self._process.kill()
            await self._client.disconnect()
        self._process.remove()


async def _results(messages: AsyncIterator[Message]) -> AsyncGenerator[str]:
    async for message in messages:
        for block in message.content if isinstance(message, UserMessage) else ():
            if isinstance(block, ToolResultBlock):
                yield str(block.content)


def _drop(_line: str) -> None:
    """Take no notice of what the agent complains about."""


async def _permit(_name: str, _given: dict[str, Any], _context: ToolPermissionContext) -> PermissionResultAllow:
    return PermissionResultAllow()


async def _let_begin(_data: HookInput, _tool_use_id: str | None, _context: HookContext) -> HookJSONOutput:
    return {}
