"""One live agent: a Claude Code process in its cell, spoken to through the SDK."""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from typing import Any, cast
from uuid import UUID

from claude_agent_sdk import (
    ClaudeSDKClient,
    ClaudeSDKError,
    Message,
    PermissionResult,
    ResultMessage,
    ToolPermissionContext,
    project_key_for_directory,
)
from claude_agent_sdk._internal.message_parser import parse_message  # no public name makes messages of frames
from runtime.logging import get_logger

from session.agent.counting import counted
from session.agent.frames import STOPPED, AgentFailed, Frames
from session.agent.hiding import redactor
from session.agent.model_proxy import Access, ModelProxy
from session.agent.options import AgentSpec, Ask, Limits, nobody, options, usable_models, variables
from session.agent.permission import permission
from session.agent.sandbox import Sandbox
from session.agent.telling import AgentEvent, Finished, MessageTranslator
from session.agent.transcript import NoRoom, Transcripts

log = get_logger()

GRACE = 0.2
STOP_TIMEOUT = 10.0
INTERRUPTED_WITHIN = 1.0
NOT_STARTED = "The agent could not be started."
BAD_SCHEMA = "--json-schema is not a valid JSON Schema: "
LONGEST_REASON = 500
LONGEST_COMPLAINT = 10_000
PROJECTS = "projects"
BROKE_DOWN = "The agent broke down before its turn was over."


@dataclass(frozen=True)
class Surroundings:
    """What every agent of this replica needs."""

    sandbox: Sandbox
    proxy: ModelProxy
    transcripts: Transcripts
    limits: Limits


class Agent:
    """An agent process: started once, it takes one turn after the other, until it is stopped.

    `end` is called when it has to be ended for what it does.

    Raises:
        AgentFailed: there is no place for it.
    """

    def __init__(self, spec: AgentSpec, around: Surroundings, end: Callable[["Agent"], None]) -> None:
        self.spec, self.busy, self.retired, self.idle_since = spec, True, False, 0.0
        self.last_turn = False
        self._around, self._request_end = around, end
        self._failure: AgentFailed | None = None
        self._token, self._access = secrets.token_urlsafe(32), Access(usable_models(spec.options, around.limits))
        try:
            self._cell = around.sandbox.cell(
                spec.workspace, variables(self._token, spec.options, around.limits), spec.options.env or {}
            )
        except OSError as error:
            log.warning("agent has no place", error=repr(error))
            raise AgentFailed(NOT_STARTED) from error
        self._transcript = around.transcripts.open(spec.session_id)
        self._transcript.works_for(spec.run_id, spec.attempt)
        self._teller = MessageTranslator(structured=spec.options.output_format is not None)
        self._ask: Ask = nobody
        self._complaints: deque[str] = deque(maxlen=10)
        self._hide = redactor((spec.options.env or {}).values())
        self._client: ClaudeSDKClient | None = None
        self._frames: Frames | None = None
        self._lifecycle, self._ended = asyncio.Lock(), False
        self._called_off, self._connecting = False, cast(asyncio.Timeout | None, None)
        self._between_turns = asyncio.Event()
        self._between_turns.set()

    def claim(self, spec: AgentSpec) -> bool:
        """Take this agent for a turn, unless it is busy, is to end, has died, or runs with other options."""
        if self.busy or self.retired or self.spec != spec or not self._cell.alive():
            return False
        self.spec, self.busy = spec, True
        self._transcript.works_for(spec.run_id, spec.attempt)
        return True

    def show_life(self) -> None:
        """Let the process go on for some seconds more."""
        self._cell.show_life()

    def rest(self) -> None:
        """Be free for another turn."""
        self.busy, self.idle_since = False, time.monotonic()

    async def knows_all(self) -> bool:
        """Whether the conversation has not gone on elsewhere, where this agent did not hear it."""
        return not await self._transcript.has_advanced()

    async def start(self) -> None:
        """Begin the conversation, or take it up where the transcript ends.

        Raises:
            AgentFailed: no process started, or it was stopped before.
        """
        begun = await self._transcript.begun()
        async with self._lifecycle:
            if self._called_off:
                raise AgentFailed(STOPPED)
            confined = self._around.sandbox.bwrap is not None
            if begun:
                await self._take_up()
            if self._called_off:  # meanwhile
                raise AgentFailed(STOPPED)
            limits = self._around.limits
            wanted = options(
                self.spec,
                self._cell,
                begun=begun,
                confined=confined,
                default_model=next(iter(limits.models), None),
            )
            wanted = replace(wanted, can_use_tool=self._permit, stderr=self._complain)
            self._frames = Frames(wanted, self._transcript, self._cell.config / PROJECTS, limits, self._give_up)
            self._client = ClaudeSDKClient(wanted, self._frames)
            try:
                await self._connect(self._client)
                await self._around.proxy.serve(self._cell.admit(), self._token, self._access)
            except (ClaudeSDKError, OSError) as error:
                self._warn("agent did not start", error)
                raise AgentFailed(STOPPED if self._called_off else self._reason()) from error
            await asyncio.to_thread(self._cell.forget_conversation)

    async def _take_up(self) -> None:
        """Lay down the conversation where the agent finds it when it starts."""
        place = self._cell.conversation / project_key_for_directory(self._cell.workspace)
        try:
            await self._transcript.write_to(place)
        except NoRoom as error:
            self._warn("a conversation could not be laid down", error)
            raise AgentFailed(NOT_STARTED) from error

    def _complain(self, line: str) -> None:
        self._complaints.append(line[:LONGEST_COMPLAINT])

    def _give_up(self, failure: AgentFailed) -> None:
        """Have the agent ended: it went beyond a limit, or works for nobody any more."""
        if not self._called_off:
            self._failure = failure
            self._request_end(self)

    async def _connect(self, client: ClaudeSDKClient) -> None:
        try:
            async with asyncio.timeout(self._around.limits.start_seconds) as self._connecting:
                await client.connect()
        finally:
            self._connecting = None

    async def turn(self, prompt: str, ask: Ask, message_id: UUID | None = None) -> AsyncGenerator[AgentEvent]:
        """Put `prompt` to the agent and give what it tells, a `Finished` last; `ask` settles what needs approval.

        The `Finished` of a turn that is stopped says what it used until then, if the agent still told.

        Raises:
            AgentFailed: the process ended, told nonsense, or its conversation could not be stored.
        """
        self._ask = ask
        self._between_turns.clear()
        try:
            with self._access.turn(self.spec.budget_usd):
                async with aclosing(self._messages(prompt, message_id)) as messages:
                    async for message in messages:
                        for told in self._teller.tell(message):
                            yield self._stopped(told) if self._ended and isinstance(told, Finished) else told
        except AgentFailed:
            raise
        except Exception as error:  # what is run in there can write anything in the agent's name
            self._warn("agent broke down", error)
            raise self._broken() from error
        finally:
            self._between_turns.set()

    def counted(self, finished: Finished) -> Finished:
        """Return how a turn ended, with all that was counted of it, and without the values of variables."""
        detail = finished.error_detail and self._hide(finished.error_detail)
        return counted(replace(finished, error_detail=detail), self._access)

    async def stop(self) -> None:
        """End the process with all it started, also in the middle of a turn or of its start.

        Nothing happens when it has ended.
        """
        self._called_off = True
        if self._connecting and not self._connecting.expired():
            self._connecting.reschedule(0)
        # To the end, even if the caller is cancelled meanwhile.
        await asyncio.shield(self._stop())

    async def _stop(self) -> None:
        async with self._lifecycle:
            if self._ended:
                return
            self._ended = True
            await self._interrupt()
            # The SDK first lets go of the process, which then ends by itself if it is idle.
            killing = asyncio.get_running_loop().call_later(GRACE, self._cell.kill)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    if self._client:
                        await self._client.disconnect()
            except (ClaudeSDKError, OSError) as error:
                self._warn("agent did not end well", error)
            finally:
                killing.cancel()
                await self._leave()

    def _reason(self) -> str:
        for complaint in self._complaints:
            if BAD_SCHEMA in complaint:
                reason = self._hide(complaint.partition(BAD_SCHEMA)[2])[:LONGEST_REASON]
                return f"{NOT_STARTED} sdk_options.output_format: {reason}"
        return NOT_STARTED

    def _warn(self, event: str, error: Exception) -> None:
        """Log what the agent says of it, which may name its variables."""
        log.warning(event, error=self._hide(repr(error)), complaints=[self._hide(said) for said in self._complaints])

    async def _interrupt(self) -> None:
        """Let a turn that somebody follows come to its end: only then does the agent tell what it used."""
        if self._client is None or self._between_turns.is_set():
            return
        try:
            async with asyncio.timeout(INTERRUPTED_WITHIN):
                await self._client.interrupt()
                await self._between_turns.wait()
        except TimeoutError:
            log.info("agent did not tell in time what it used")
        except Exception as error:  # noqa: BLE001  what is run in there can answer anything; it is killed next
            self._warn("agent did not tell what it used", error)

    async def _leave(self) -> None:
        self._cell.kill()
        await self._around.proxy.leave(self._token)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._cell.ended(), STOP_TIMEOUT)
        await asyncio.to_thread(self._cell.remove)

    async def _messages(self, prompt: str, message_id: UUID | None) -> AsyncGenerator[Message]:
        client, frames = cast(ClaudeSDKClient, self._client), cast(Frames, self._frames)
        await frames.begin_run()
        await client.query(_named(prompt, message_id))
        while (frame := await frames.told.take()) is not None:
            if message := parse_message(frame):
                yield message
            if isinstance(message, ResultMessage):
                return
        raise self._broken()

    def _broken(self) -> AgentFailed:
        return self._failure or AgentFailed(STOPPED if self._ended else BROKE_DOWN)

    def _stopped(self, told: Finished) -> Finished:
        failure = self._failure or AgentFailed(STOPPED)
        return replace(told, error_code=failure.code, error_detail=failure.detail)

    async def _permit(self, name: str, given: dict[str, Any], context: ToolPermissionContext) -> PermissionResult:
        try:
            return await permission(self._ask, self._transcript, name, given, context)
        finally:
            cast(Frames, self._frames).allowance.asked -= 1


async def _named(prompt: str, message_id: UUID | None) -> AsyncGenerator[dict[str, Any]]:
    name = {"uuid": str(message_id)} if message_id else {}
    message = {"role": "user", "content": prompt}
    yield {"type": "user", "message": message, "parent_tool_use_id": None, **name}
