"""The frames on standard input and output, and all waiting: answers, prompts and interrupts may come at any time."""

import json
import os
import select
import time
from collections import deque
from collections.abc import Callable
from typing import Any

type Frame = dict[str, Any]

READ_BYTES = 2**16


def new_uuid() -> str:
    """Return a random UUID; the standard module takes long to import."""
    digits = os.urandom(16).hex()
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


class Interrupted(Exception):
    """The turn was interrupted by the client."""


class RequestFailed(Exception):
    """The client answered a request with an error."""


class Channel:
    """The connection to the client, which `control` answers.

    `prompts` are the messages of the user that are not answered yet. `working` is set during a turn: otherwise there is
    nothing to interrupt.
    """

    def __init__(self, control: Callable[[Frame], Frame]) -> None:
        self.prompts, self.working, self.closed = deque[Frame](), False, False
        self._control, self._answers, self._line = control, dict[str, Frame](), b""
        self._interrupted = False

    def send(self, frame: Frame) -> None:
        """Write a frame."""
        data = memoryview(json.dumps(frame).encode() + b"\n")
        while data:
            data = data[os.write(1, data) :]

    def wait(self, seconds: float | None = None, descriptor: int | None = None) -> bool:
        """Wait until `descriptor` can be read; return False after `seconds`.

        Raises:
            Interrupted: meanwhile, the client interrupted the turn.
        """
        end = None if seconds is None else time.monotonic() + seconds
        while not (ready := self._ready(descriptor, end)) and (end is None or time.monotonic() < end):
            pass
        return ready

    def next_prompt(self) -> Frame | None:
        """Wait for the next message of the user, and return it; None if the client has closed the connection."""
        while not self.prompts and not self.closed:
            self._ready(None, None)
        return self.prompts.popleft() if self.prompts else None

    def request(self, request: Frame) -> Frame:
        """Send a request to the client, and return its answer.

        Raises:
            Interrupted: meanwhile, the client interrupted the turn.
            RequestFailed: the answer is an error.
        """
        name = new_uuid()
        self.send({"type": "control_request", "request_id": name, "request": request})
        try:
            while name not in self._answers:
                if self.closed:
                    raise SystemExit(0)
                self._ready(None, None)
        except Interrupted:
            self.send({"type": "control_cancel_request", "request_id": name})
            raise
        answer = self._answers.pop(name)
        if answer["subtype"] != "success":
            raise RequestFailed(answer.get("error", ""))
        return answer["response"]

    def _ready(self, descriptor: int | None, end: float | None) -> bool:
        """Wait for anything, and read what the client has sent; return whether `descriptor` can be read."""
        left = None if end is None else max(0.0, end - time.monotonic())
        watched = [*([] if self.closed else [0]), *([] if descriptor is None else [descriptor])]
        ready, _, _ = select.select(watched, [], [], left)
        if 0 in ready:
            self._receive()
        if self._interrupted:
            self._interrupted = False
            raise Interrupted
        return descriptor in ready

    def _receive(self) -> None:
        data = os.read(0, READ_BYTES)
        self.closed = not data
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            if line.strip():
                self._handle(json.loads(line))

    def _handle(self, frame: Frame) -> None:
        match frame:
            case {"type": "user"}:
                self.prompts.append(frame)
            case {"type": "control_response", "response": {"request_id": str(name)} as answer}:
                self._answers[name] = answer
            case {"type": "control_request", "request_id": str(name), "request": {"subtype": "interrupt"}}:
                self._interrupted = self.working
                self._answer(name, {"still_queued": []})
            case {"type": "control_request", "request_id": str(name), "request": request}:
                self._answer(name, self._control(request))
            case _:
                raise NotImplementedError(f"a frame of type {frame.get('type')!r}")

    def _answer(self, name: str, response: Frame) -> None:
        answer = {"subtype": "success", "request_id": name, "response": response}
        self.send({"type": "control_response", "response": answer})
