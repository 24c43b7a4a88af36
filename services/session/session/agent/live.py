"""A running agent: a Claude Code process in its sandbox, controlled through the SDK."""

import asyncio
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from typing import Any, cast
from uuid import UUID

from claude_agent_sdk import ClaudeSDKError, Message, ResultMessage, project_key_for_directory
from claude_agent_sdk._internal.message_parser import parse_message  # the SDK has no public function for it
from contracts.refusals import Code
from runtime.logging import get_logger

from session.agent.agent_context import AgentContext
from session.agent.agent_events import AgentEvent, AssistantMessage, Finished
from session.agent.agent_process import projects_folder
from session.agent.begun_calls import BegunCalls
from session.agent.client import Client
from session.agent.diagnostics import CRASHED, NOT_STARTED, OUT_OF_MEMORY, Diagnostics
from session.agent.failures import STOPPED, AgentDied, AgentFailed
from session.agent.frames import Frames, start_failure, user_message
from session.agent.gate import Gate
from session.agent.handover import Handover
from session.agent.metering import with_metered_usage
from session.agent.model_proxy import Access
from session.agent.options import AgentSpec, Ask, usable_models
from session.agent.own_process import STOP_TIMEOUT, OwnProcess
from session.agent.sdk_options import options
from session.agent.settling import settles
from session.agent.transcript import ConversationNotWritten
from session.agent.translator import MessageTranslator
from session.agent.unreported import note_reported
from session.mcp.permits import Permits
from session.mcp.questions import Elicit, decline_all
from session.mcp.server_calls import ServerCalls
from session.mcp.servers import AgentServers

log = get_logger()

GRACE_SECONDS = 0.2
CLOSE_TIMEOUT = 10.0  # for the connections to MCP servers
INTERRUPT_TIMEOUT = 1.0


class Agent:
    """An agent process: started once, it runs one turn after another until it is stopped.

    `end` is called if the agent has to be ended because it exceeded a limit or lost its run.
    """

    def __init__(self, spec: AgentSpec, context: AgentContext, end: Callable[["Agent"], None]) -> None:
        self.busy, self.retired, self.idle_since, self.resumed = True, False, 0.0, False
        self.last_turn = self.started = self.unused = self.waits = False
        self._context, self._request_end = context, end
        self._failure: AgentFailed | None = None
        self._token = secrets.token_urlsafe(32)
        self._bind(spec)
        self._process = OwnProcess()
        self._client: Client | None = None
        self._frames: Frames | None = None
        self._lifecycle, self._ended, self._killed = asyncio.Lock(), False, False
        self._stop_requested, self._connecting = False, cast(asyncio.Timeout | None, None)
        self._between_turns = asyncio.Event()
        self._between_turns.set()

    def _bind(self, spec: AgentSpec, name: UUID | None = None) -> None:
        """Belong to a session, whose conversation has another `name` for the process, and forget any earlier one."""
        context, self.spec = self._context, spec
        self._permits = Permits(spec.options, spec.ceiling)
        self._access = Access(usable_models(spec, context.limits), spec.ceiling, self._permits.search)
        self._transcript = context.transcripts.open(spec.session_id, name)
        self._transcript.set_writer(*spec.writer)
        self.translator = MessageTranslator(structured=spec.options.output_format is not None)
        about = context.transcripts.database, spec.session_id, lambda: self.spec.writer
        self._gate = Gate(self._transcript, spec.ceiling, self._permits, self.translator, BegunCalls(*about))
        served = spec.servers, spec.workspace, context.connections, self._permits, ServerCalls(*about), spec.owner
        self.servers = AgentServers(*served)
        self._diagnostics = Diagnostics([*(spec.options.env or {}).values(), *self.servers.secrets])

    @property
    def available(self) -> bool:
        """Whether the agent can begin a turn: it is idle, alive and not retired, and has connections to its servers."""
        return not (self.busy or self.retired or self.servers.outdated) and self._process.alive()

    def acquire(self, spec: AgentSpec) -> bool:
        """Reserve the agent for a turn; return False if it is not available, or runs with other options."""
        if self.spec != spec or not self.available:
            return False
        self.spec, self.busy = spec, True
        self._transcript.set_writer(*spec.writer)
        return True

    def send_heartbeat(self) -> None:
        """Keep the process alive for the next seconds (see `SandboxedProcess.send_heartbeat`)."""
        self._process.send_heartbeat()

    def set_yields(self, yields: bool) -> None:
        """Say whether the agent leaves some of the processors to others."""
        self._process.set_yields(yields)

    def release(self) -> None:
        """Make the agent available for the next turn."""
        self.busy, self.idle_since = False, time.monotonic()

    async def settle(self) -> bool:
        """Kill what the turn has left running; return whether the agent may stay warm."""
        return await settles(self._process.prepared, self._context.sandbox, self._context.limits.warm_memory_bytes)

    async def is_current(self) -> bool:
        """Return whether the agent knows all of the conversation: no other agent has added to it since."""
        return not await self._transcript.has_advanced()

    async def start(self) -> None:
        """Start the process, with a new conversation or with the one in the transcript.

        Raises:
            AgentFailed: the process did not start, or was stopped before; AgentDied if another one may start.
        """
        self.resumed = await self._transcript.is_resumable()
        async with self._lifecycle:
            if not self._stop_requested:
                await self._process.prepare(self.spec, self._context, self._token)
            if self.resumed and not self._stop_requested:
                await self._write_conversation()
            if self._stop_requested:
                raise AgentFailed(STOPPED)
            process = self._process.prepared
            limits, confined = self._context.limits, self._context.sandbox.confines
            how = options(self.spec, process, limits, resuming=self.resumed, confined=confined, waits=self.waits)
            how.mcp_servers, how.hooks = {**self.servers.configs()}, self._gate.hooks()
            how.can_use_tool, how.stderr = self._gate.decide, self._diagnostics.record
            self._frames = Frames(how, self._transcript, projects_folder(process.home), limits, self._fail)
            self._client = Client(how, self._frames)
            try:
                await self._connect(self._client)
                listener = process.accept()
                self.send_heartbeat()  # an agent without a first one would outlive a service that hangs
                await self._serve(listener)
            except (ClaudeSDKError, OSError) as error:
                self._diagnostics.warn("agent did not start", error)
                raise self._failure_or(start_failure(error, self._diagnostics.start_failure())) from error
            await asyncio.to_thread(process.remove_initial_home)

    async def _serve(self, listener: socket.socket) -> None:
        """Let the agent use the model, in its turns."""
        await self._context.proxy.serve(listener, self._token, self._access)

    async def _write_conversation(self) -> None:
        """Write the conversation to the folder from which the launcher copies it into the sandbox."""
        process = self._process.prepared
        folder = projects_folder(process.initial_home) / project_key_for_directory(process.cwd)
        try:
            await self._transcript.write_to(folder)
        except ConversationNotWritten as error:
            self._diagnostics.warn("conversation could not be written", error)
            raise AgentFailed(NOT_STARTED) from error

    def _fail(self, failure: AgentFailed) -> None:
        """Request the end of the agent, which exceeded a limit or lost its run."""
        if not self._stop_requested:
            self._failure = failure
            self._request_end(self)

    async def _connect(self, client: Client) -> None:
        try:
            async with asyncio.timeout(self._context.limits.start_seconds) as self._connecting:
                await client.connect()
        finally:
            self._connecting = None

    async def turn(
        self, prompt: str, ask: Ask, message_id: UUID | None = None, elicit: Elicit = decline_all
    ) -> AsyncGenerator[AgentEvent]:
        """Send `prompt` to the agent and yield its events, a `Finished` last.

        `ask` decides tool calls; `elicit` answers questions of MCP servers. If the turn is stopped, `Finished` has the
        usage up to then, provided the agent still reported it.

        Raises:
            AgentFailed: the process ended, wrote invalid frames, or its conversation could not be stored.
        """
        self._gate.ask, self.servers.elicit, self.unused = ask, elicit, False
        self._between_turns.clear()
        try:
            handover, spec = Handover(self.spec.place, self._transcript.calls, self.kill), self.spec
            with self._permits.turn(spec.repeats), self._access.turn(spec.budget_usd, spec.spending, handover):
                async with aclosing(self._messages(prompt, message_id)) as messages:
                    async for message, written in messages:
                        async for event in self._events(message, written):
                            yield event
        except AgentFailed:
            raise
        except Exception as error:  # programs in the sandbox can forge messages of the agent
            if not self._killed:
                self._diagnostics.warn("agent crashed", error)
            raise self._failure_or(AgentDied(CRASHED)) from error
        finally:
            self._transcript.calls.closed = True  # a forged result may end the turn, and the agent go on
            self._between_turns.set()

    def finalize(self, finished: Finished) -> Finished:
        """Return `finished` with the usage that the model proxy counted, and with the values of `env` masked."""
        detail = finished.error_detail and self._diagnostics.redact(finished.error_detail)
        return with_metered_usage(replace(finished, error_detail=detail), self._access)

    def kill(self, *, asking: bool = True) -> bool:
        """Kill the process without an interrupt, also while it is `asking` the model; return whether it was killed."""
        if self._stop_requested or (self._access.in_use and not asking):
            return False
        self._stop_requested = self._killed = True
        self._process.kill()
        return True

    async def stop(self) -> None:
        """End the process with all that it started, even during a turn or its start. Does nothing if it has ended."""
        self._stop_requested = True
        if self._connecting and not self._connecting.expired():
            self._connecting.reschedule(0)
        await asyncio.shield(self._stop())  # the process is ended even if the caller is cancelled meanwhile

    async def _stop(self) -> None:
        async with self._lifecycle:
            if self._ended:
                return
            self._ended = True
            await self._interrupt()
            # The SDK closes its pipes first, upon which an idle process ends by itself; otherwise it is killed.
            killing = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._process.kill)
            try:
                async with asyncio.timeout(STOP_TIMEOUT):
                    if self._client:
                        await self._client.disconnect()
            except (ClaudeSDKError, OSError) as error:
                self._diagnostics.warn("agent shutdown failed", error)
            finally:
                killing.cancel()
                await self._clean_up()

    async def _interrupt(self) -> None:
        """Interrupt a turn and wait for its end: only then does the agent report what it used."""
        if self._client is None or self._killed or self._between_turns.is_set():
            return
        try:
            async with asyncio.timeout(INTERRUPT_TIMEOUT):
                await self._client.interrupt()
                await self._between_turns.wait()
        except TimeoutError:
            log.info("agent did not report its usage in time")
        except Exception as error:  # noqa: BLE001  a forged answer can raise anything; the process is killed next
            self._diagnostics.warn("agent did not report its usage", error)

    async def _clean_up(self) -> None:
        self._process.kill()
        with suppress(TimeoutError):
            await asyncio.wait_for(self.servers.close(), CLOSE_TIMEOUT)
        await self._context.proxy.stop_serving(self._token)
        await self._process.remove()

    async def _messages(self, prompt: str, message_id: UUID | None) -> AsyncGenerator[tuple[Message, Any]]:
        """Yield the messages of a turn, and when the agent has written each, if it says so."""
        client, frames = cast(Client, self._client), cast(Frames, self._frames)
        await frames.begin_run()
        await client.query(user_message(prompt, self._transcript.calls.expect(message_id)))
        while (frame := await frames.queue.get()) is not None:
            if message := parse_message(frame):
                yield message, frame.get("timestamp")
            if isinstance(message, ResultMessage):
                return
        raise self._failure_or(AgentDied(CRASHED))

    def _failure_or(self, otherwise: AgentFailed) -> AgentFailed:
        """Return why the agent ended; `otherwise` if nothing else is known."""
        if self._process.ran_out_of_memory():
            return AgentFailed(OUT_OF_MEMORY, Code.AGENT_OUT_OF_MEMORY)
        return self._failure or (AgentFailed(STOPPED) if self._stop_requested else otherwise)

    async def _events(self, message: Message, written: Any) -> AsyncGenerator[AgentEvent]:
        failure = self._failure or AgentFailed(STOPPED)
        for event in self.translator.translate(message, written):
            entry = event.own_entry if isinstance(event, AssistantMessage) else None
            if self._ended and isinstance(event, Finished):
                yield replace(event, error_code=failure.code, error_detail=failure.detail)
            elif await self._transcript.may_record(entry, self._is_last):
                yield event
            else:  # what its calls did is recorded with the work of the lost agent, also if its end is requested now
                self._failure = self._failure or AgentDied(CRASHED)
                note_reported(event, self.servers.made_calls)

    def _is_last(self) -> bool:
        """Return whether no other agent goes on with the turn of this one, as far as is known."""
        is_lost = isinstance(self._failure_or(AgentDied(CRASHED)), AgentDied) or self.spec.place.released == "handover"
        return self._process.alive() or not is_lost
