"""Messages that hypothesis generates, sent over WebSockets to a system of their own."""

import json
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from contracts.event_types import EVENT_TYPES
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from onebox.testing.system import System
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.user import User
from tests.fuzz.api import Budget
from tests.fuzz.messages import Frame, frames

MESSAGES_EACH = 20
"""At most, to one socket, before it is asked for a `pong`."""
FLOOD = 5_000
PING = Frame(b'{"type": "ping"}', as_text=True)
SILENCE_SECONDS = 60
KINDS = frozenset((
    *("connected", "message", "text_delta", "tool_call_started", "tool_call_completed", "approval_requested"),
    *("status_change", "result", "error", "gap", "pong", "heartbeat"),
))  # fmt: skip
CLOSE_CODES = frozenset({1000, 1001, 1007, 1008, 1009, 1013})
"""All but 1011: 1007 is for text that is no UTF-8, 1009 for a message that is too large."""


@dataclass
class Findings:
    """What was received, and what is wrong with it."""

    sent: int = 0
    received: Counter[str] = field(default_factory=Counter[str])
    closed: Counter[int] = field(default_factory=Counter[int])
    violations: list[str] = field(default_factory=list[str])

    def __str__(self) -> str:
        return "\n".join([
            f"messages sent: {self.sent}",
            f"received: {dict(self.received)}",
            f"closed: {dict(self.closed)}",
            f"violations: {len(self.violations)}",
            *(f"  {violation}" for violation in self.violations[:20]),
        ])  # fmt: skip


def fuzz(budget: Budget) -> int:
    """Send messages until the time is over, and return the exit code: 1 if a violation was found."""
    findings = Findings()
    with System() as system:
        system.start()
        user = User(system.base_url)
        with user.http:
            user.register()
            user.log_in()
            conversation = Conversation(user, findings)
            conversation.run([PING] * FLOOD)
            _send_all(conversation, budget)
        findings.violations += faults(system)
    sys.stdout.write(f"{findings}\n")
    return 1 if findings.violations else 0


def _send_all(conversation: "Conversation", budget: Budget) -> None:
    end = time.monotonic() + budget.seconds

    @seeded(budget.seed)
    @settings(
        max_examples=budget.examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )
    @given(st.lists(frames, max_size=MESSAGES_EACH))
    def send(sent: Sequence[Frame]) -> None:
        if time.monotonic() < end and not conversation.findings.violations:
            ends = [frame for frame in sent if frame.ends_connection]  # last: what follows would reset the connection
            conversation.run([frame for frame in sent if not frame.ends_connection] + ends[:1])

    send()


class Conversation:
    """Sends messages to a session, and checks what is received."""

    def __init__(self, user: User, findings: Findings) -> None:
        self.user, self.findings = user, findings
        self.session_id = user.create("Read")
        base = str(user.http.base_url).replace("http", "ws", 1)
        self.url = f"{base}sessions/{self.session_id}/stream"

    def run(self, sent: Sequence[Frame]) -> None:
        """Open a socket, send all messages and a ping, and wait for its pong or the close."""
        marker = secrets.token_hex(8)
        headers = {"authorization": self.user.http.headers["authorization"]}
        with connect(
            self.url, additional_headers=headers, max_size=None, max_queue=None, open_timeout=SILENCE_SECONDS
        ) as socket:
            try:
                for frame in sent:
                    socket.send(frame.content, text=frame.as_text)
                    self.findings.sent += 1
                socket.send(json.dumps({"type": "ping", "id": marker}))
                self._await_pong(socket, marker)
            except ConnectionClosed:
                self._check_close(socket, sent)
            except TimeoutError:
                self._report("no pong", sent)

    def _await_pong(self, socket: ClientConnection, marker: str) -> None:
        while True:
            message: dict[str, Any] = json.loads(socket.recv(SILENCE_SECONDS))
            self.findings.received[message["type"]] += 1
            if message["type"] not in KINDS | EVENT_TYPES or not isinstance(message["data"], dict):
                self._report("an undocumented message", message)
            if message["type"] == "error" and message["data"]["code"] in ("INTERNAL_ERROR", "UNAVAILABLE"):
                self._report("a fault", message)
            if message.get("reply_to") == marker:
                return

    def _check_close(self, socket: ClientConnection, sent: object) -> None:
        code = socket.close_code or 0
        self.findings.closed[code] += 1
        if code not in CLOSE_CODES:
            self._report(f"close code {code}", sent)

    def _report(self, what: str, context: object) -> None:
        self.findings.violations.append(f"{what}: {ascii(context)[:1000]}")


def faults(system: System) -> list[str]:
    """Return the errors in the logs of the services that sockets reach."""
    found: list[str] = []
    for log in [system.data_dir / "logs" / f"{name}.log" for name in ("gateway", "session")]:
        for line in log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                if json.loads(line).get("level") in ("error", "critical"):
                    found.append(f"{log.stem}: {line[:2000]}")
    return found
