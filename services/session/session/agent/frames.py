"""The frames that an agent's process writes, read with back-pressure and within limits.

The SDK reads as fast as it can and buffers without a limit. Programs in a sandbox can write to the agent's standard
output, and so could fill memory and database within seconds. Here the conversation is stored before the next frame is
read, and frames for the turn wait in a bounded queue. Only frames of the control protocol reach the SDK.
"""

import asyncio
import json
import re
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import UUID

from claude_agent_sdk import ClaudeAgentOptions, CLIConnectionError, ProcessError

# Only its base `Transport` is public; a copy of it would have to follow every change of the CLI's options.
from claude_agent_sdk._internal.transport.subprocess_cli import SubprocessCLITransport
from contracts.refusals import Code, Refusal
from runtime.logging import get_logger

from session.agent.failures import STOPPED, AgentDied, AgentFailed
from session.agent.frame_queue import FrameQueue
from session.agent.options import Limits
from session.agent.transcript import Transcript, WriterReplaced

log = get_logger()

MAX_MESSAGE_BYTES = 4 * 2**20
MAX_COMMAS = 250_000
"""Per frame. Parsing blocks the event loop for a time that grows with the number of values: 20 ms for this many."""
LINE_OVERHEAD_BYTES = 100
"""Bytes counted per line in addition to its length: handling a line takes time, however short it is."""
ENTRY_OVERHEAD_BYTES = 1000
"""Bytes counted per entry of a conversation in addition to its length: each is a row."""
# Once an agent is to be ended, only these frames matter: the usage of its turn, and the answer to the interrupt.
FINAL_TYPES = ("result", "control_response")
MAYBE_FINAL = re.compile(rb'"type":\s?"(?:%s)"' % "|".join(FINAL_TYPES).encode())
# The SDK writes an answer with its id first.
ANSWERED = re.compile(r'\{"type": "control_response", "response": \{"subtype": "\w+", "request_id": "(?P<id>[^"]*)"')
# The first request of the SDK.
INITIALIZING = re.compile(r'\{"type": "control_request", "request_id": "[^"]*", "request": \{"subtype": "initialize"')
RECORDED_TYPES = frozenset({"assistant", "user"})
_KILLED = (128 + signal.SIGKILL, -signal.SIGKILL)
NOT_STORED = "The agent's conversation could not be stored."

type Frame = dict[str, Any]


def start_failure(error: Exception, detail: str) -> AgentFailed:
    """Return the failure of an agent that did not start. Another one may, if it was killed or had too little time."""
    is_killed = isinstance(error, ProcessError) and error.exit_code in _KILLED
    return (AgentDied if is_killed or isinstance(error, TimeoutError) else AgentFailed)(detail)


@dataclass
class Allowance:
    """Counts what an agent writes for its run, and enforces the limits.

    `records` are blocks of messages and tool results. `pending_requests` are the ids of control requests without an
    answer: approvals, and calls of MCP tools.
    """

    limits: Limits
    total_bytes: int = 0
    records: int = 0
    record_bytes: int = 0
    pending_requests: set[str] = field(default_factory=set[str])

    def read(self, size: int) -> None:
        """Count bytes of any kind.

        Raises:
            AgentFailed: the limit is exceeded.
        """
        self.total_bytes += size
        self._check(self.total_bytes, self.limits.run_bytes, "bytes")

    def record(self, blocks: int, size: int) -> None:
        """Count the blocks of a message, or tool results, of `size` bytes. Raises as `read` does."""
        self.records += blocks
        self.record_bytes += size
        self._check(self.records, self.limits.run_records, "blocks of messages and tool results")
        self._check(self.record_bytes, self.limits.run_record_bytes, "bytes of messages and tool results")

    def ask(self, request_id: str) -> None:
        """Count a control request until it is answered or withdrawn. Raises as `read` does."""
        if request_id in self.pending_requests:
            raise AgentFailed("The agent wrote an invalid message.")
        self.pending_requests.add(request_id)
        self._check(len(self.pending_requests), self.limits.max_pending_requests, "concurrent requests")

    def _check(self, used: int, limit: int, unit: str) -> None:
        if used > limit:
            raise AgentFailed(f"The agent exceeded a limit: a run has at most {limit} {unit}.", Code.RUN_TOO_LARGE)


class Frames(SubprocessCLITransport):
    """The SDK's transport to the process of one agent.

    `on_failure` is called once, when the agent has to be ended because it exceeded a limit or lost its conversation to
    another run. From then on nothing that it writes is stored.
    """

    def __init__(
        self,
        options: ClaudeAgentOptions,
        transcript: Transcript,
        projects: Path,
        limits: Limits,
        on_failure: Callable[[AgentFailed], None],
    ) -> None:
        # Command lines are readable by every account of the machine, so the schema of the output is sent instead. Only
        # of an argument, Claude Code says what is wrong; and only patterns were not checked before.
        schema = (options.output_format or {}).get("schema")
        self._schema = None if '"pattern' in json.dumps(schema) else schema
        super().__init__(_no_input(), replace(options, output_format=None) if self._schema else options)
        self.queue, self.allowance = FrameQueue(), Allowance(limits)
        self.transcript, self._projects = transcript, projects
        self._limits, self._on_failure, self._failed = limits, on_failure, False

    async def begin_run(self) -> None:
        """Reset the counters, and discard what the process wrote since its last turn."""
        self.allowance = Allowance(self._limits)
        await self.queue.clear()

    async def read_messages(self) -> AsyncIterator[Frame]:
        """Yield the frames of the control protocol; all others are stored, or queued for the turn."""
        try:
            async for line in self._lines():
                frame = await self._frame(line)
                if frame is not None:
                    yield frame
        except Exception as error:
            if isinstance(error, AgentFailed):
                self.fail(error)
            await self.queue.close(error)
            raise
        finally:
            await self.queue.close()

    async def write(self, data: str) -> None:
        """Write a frame to the process."""
        if answer := ANSWERED.match(data):
            self.allowance.pending_requests.discard(answer["id"])
        await super().write(_with_schema(data, self._schema) if self._schema and INITIALIZING.match(data) else data)

    async def close(self) -> None:
        """End the process, and close its pipes, although what it has started may still hold them open."""
        process = self._process
        await super().close()
        if process:
            await process.aclose()

    def fail(self, failure: AgentFailed) -> None:
        """Report the failure once, and store nothing more of the agent."""
        if not self._failed:
            self._failed = True
            self._on_failure(failure)

    async def _lines(self) -> AsyncGenerator[bytes]:
        line, process = bytearray(), self._process
        if process is None or process.stdout is None:
            raise CLIConnectionError("no process was started")
        async for chunk in process.stdout:
            await asyncio.sleep(
                0
            )  # buffered data is read without suspending, so many short lines would block the event loop
            if not self._failed:
                self._count(len(chunk) + LINE_OVERHEAD_BYTES * chunk.count(b"\n"))
            first, *others = chunk.split(b"\n")
            line += first
            for other in others:
                yield bytes(line)
                line = bytearray(other)
            if len(line) > MAX_MESSAGE_BYTES:
                detail = f"A message of the agent has more than {MAX_MESSAGE_BYTES} bytes."
                raise AgentFailed(detail, Code.RUN_TOO_LARGE)
        if code := await process.wait():
            raise ProcessError("the agent ended", exit_code=code)

    def _count(self, size: int) -> None:
        try:
            self.allowance.read(size)
        except AgentFailed as failure:
            self.fail(failure)

    async def _frame(self, line: bytes) -> Frame | None:
        if self._failed and not MAYBE_FINAL.search(line):
            return None
        try:
            frame = _parse(line)
            if self._failed and frame.get("type") not in FINAL_TYPES:
                return None
            return await self._dispatch(frame, len(line))
        except AgentFailed as failure:
            self.fail(failure)
        except Refusal as refusal:
            self.fail(AgentFailed(refusal.detail, refusal.code))
        except WriterReplaced:
            self.fail(AgentFailed(STOPPED))
        return None

    async def _dispatch(self, frame: Frame, size: int) -> Frame | None:
        match frame:
            case {"type": "control_response"}:
                return frame
            case {"type": "control_cancel_request", "request_id": str(request_id)}:
                self.allowance.pending_requests.discard(request_id)
                return frame
            case {"type": "control_request", "request_id": str(request_id)}:
                self.allowance.ask(request_id)
                return frame
            case {"type": "transcript_mirror"}:
                await self._store(frame)
            case {"type": kind}:
                if kind in RECORDED_TYPES:
                    self.allowance.record(_blocks(frame), size)
                await self.queue.put(frame, size)
            case _:  # the CLI also writes lines that are not frames
                pass
        return None

    async def _store(self, frame: Frame) -> None:
        try:
            subpath, entries = self._subpath(frame["filePath"]), frame["entries"]
            self.allowance.read(ENTRY_OVERHEAD_BYTES * len(entries))
            await self.transcript.append(subpath, entries)
        except (AgentFailed, Refusal, WriterReplaced):
            raise
        except Exception as error:  # a long outage of the database, or a forged frame with invalid entries
            log.warning("conversation could not be stored", error=repr(error))
            raise AgentFailed(NOT_STORED) from error

    def _subpath(self, path: str) -> str:
        """Return which conversation of the session a transcript file holds: '' or the path of a subagent.

        Raises:
            ValueError: the file belongs to another session, or is not a transcript.
        """
        _project, *steps = Path(path).relative_to(self._projects).parts
        session, own_session = "/".join(steps).removesuffix(".jsonl"), self.transcript.name
        if not path.endswith(".jsonl") or not f"{session}/".startswith(f"{own_session}/"):
            raise ValueError(f"the agent of session {own_session} writes to {session!r}")
        return session.removeprefix(own_session).removeprefix("/")


def _parse(line: bytes) -> Frame:
    if not line.startswith(b"{"):
        return {}
    if line.count(b",") > MAX_COMMAS:
        raise AgentFailed(f"A message of the agent has more than {MAX_COMMAS} values.", Code.RUN_TOO_LARGE)
    try:
        return json.loads(line.decode())  # in other encodings, as `json` reads them, text is shorter than in an event
    except (ValueError, RecursionError) as error:
        raise AgentFailed("The agent wrote an invalid message.") from error


def _blocks(frame: Frame) -> int:
    """Return the number of events that a message may become."""
    match frame:
        case {"message": {"content": [*blocks]}}:
            return max(1, len(blocks))
        case _:
            return 1


def _with_schema(data: str, schema: object) -> str:
    frame = json.loads(data)
    frame["request"]["jsonSchema"] = schema
    return f"{json.dumps(frame)}\n"


async def _no_input() -> AsyncGenerator[dict[str, Any]]:
    return
    yield  # makes this function a generator


async def user_message(prompt: str, message_id: UUID) -> AsyncGenerator[dict[str, Any]]:
    """Yield the frame of a message of the user."""
    message = {"role": "user", "content": prompt}
    yield {"type": "user", "message": message, "parent_tool_use_id": None, "uuid": str(message_id)}
