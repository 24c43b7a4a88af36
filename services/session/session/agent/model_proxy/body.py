"""Checks a request body without parsing all of it: which models it names, and whether it stays between agent and model.

An agent chooses the size and structure of a body. So this takes no more memory than the body itself, never holds the
interpreter for long, and stops after `MAX_STEPS` steps.
"""

import json
import re
from dataclasses import dataclass, field

from session.agent.model_proxy.structure import Structure

MAX_STEPS = 1_000_000
MAX_MODEL_KEY_LEVELS = 3
"""The depth down to which a key `model` names a model: that of the request itself, or of one of its tools."""
MAX_NAME_LENGTH = 400
WINDOW = 2**16

_OPENING = re.compile(rb"[ \t\r\n]*+\{")
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_PART = re.compile(rb'(?:[^"\\]{1,4096}+|\\.){1,256}+', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")


class InvalidBody(ValueError):
    """The body is ambiguous, or has what is not forwarded. The message is shown to the agent."""


@dataclass
class Request:
    """The content of a request: models, the requested one first, and whether the provider shall search the web."""

    models: list[str] = field(default_factory=list[str])
    searches: bool = False


def checked(body: bytes) -> Request:
    """Return what a request asks for.

    Raises:
        InvalidBody: the body is not a JSON object with a `model`, is ambiguous, or has what is not forwarded.
    """
    if b"\0" in body or not (opening := _OPENING.match(body)):
        raise InvalidBody("The body is not a JSON object in UTF-8.")
    scan = _Scan(body, opening.end())
    scan.run()
    if scan.requested is None:
        raise InvalidBody("The body names no model.")
    return Request([scan.requested, *scan.others], scan.structure.searches)


class _Scan:
    """A single pass over a body, from the opening brace to the matching closing brace."""

    def __init__(self, body: bytes, position: int) -> None:
        self.requested: str | None = None
        self.others: list[str] = []
        self.structure = Structure()
        self._body, self._depth, self._steps = body, 1, 0
        self._position: int = position
        self._key, self._value_position = "", -1

    def run(self) -> None:
        while self._depth:
            self._step()
            if not (found := _STRUCTURE.search(self._body, self._position, self._position + WINDOW)):
                self._position += WINDOW
                if self._position >= len(self._body):
                    raise InvalidBody("The JSON of the body is incomplete.")
                continue
            self._position = found.end()
            match found.group():
                case b'"':
                    self._string(found.start())
                case b"{" | b"[" as bracket:
                    self._open(found.start(), is_object=bracket == b"{")
                case _:
                    self._close()
        if self._body[self._position :].strip():
            raise InvalidBody("The body has data after its JSON object.")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise InvalidBody(f"The body consists of more than {MAX_STEPS} parts.")

    def _open(self, start: int, *, is_object: bool) -> None:
        self._depth += 1
        if problem := self.structure.open(self._key if start == self._value_position else None, is_object=is_object):
            raise InvalidBody(problem)

    def _close(self) -> None:
        self._depth -= 1
        self.structure.close()

    def _string(self, start: int) -> None:
        self._position = self._end_of_string(start)
        if self.structure.is_opaque:
            return
        key, colon = self._body[start : self._position], _COLON.match(self._body, self._position)
        if not colon:
            return
        self._key = name = _name(key)
        self._position = self._value_position = colon.end()
        if problem := self.structure.member(name, key):
            raise InvalidBody(problem)
        if name == "model" and self._depth <= MAX_MODEL_KEY_LEVELS:
            self._model(key)
        elif name == "type":
            self._type()

    def _type(self) -> None:
        value = self._short_string("The type")
        if problem := self.structure.type(value):
            raise InvalidBody(problem)

    def _model(self, key: bytes) -> None:
        if key != b'"model"':
            raise InvalidBody('The key "model" must be written without escapes and in lower case.')
        name = self._short_string("The model")
        if name is None:
            if self._depth == 1:
                raise InvalidBody(f"The model must be a string of at most {MAX_NAME_LENGTH} bytes.")
        elif self._depth > 1:
            self.others.append(name)
        else:
            self.requested = name

    def _short_string(self, what: str) -> str | None:
        """Return the string at the present position, which begins a value; None if the value is not a string."""
        start = self._position
        if self._body[start : start + 1] != b'"':
            return None
        self._position = self._end_of_string(start)
        if self._position - start > MAX_NAME_LENGTH:
            raise InvalidBody(f"{what} must be a string of at most {MAX_NAME_LENGTH} bytes.")
        return _decoded(self._body[start : self._position])

    def _end_of_string(self, start: int) -> int:
        position = start + 1
        while part := _STRING_PART.match(self._body, position):
            self._step()
            position = part.end()
        if self._body[position : position + 1] != b'"':
            raise InvalidBody("The body ends within a string.")
        return position + 1


def _name(key: bytes) -> str:
    """Return a key as a lenient parser may understand it; a longer one than any that matters is empty."""
    return _decoded(key).casefold() if len(key) <= MAX_NAME_LENGTH else ""


def _decoded(string: bytes) -> str:
    try:
        return json.loads(string, strict=False) if b"\\" in string else string[1:-1].decode()
    except ValueError:
        raise InvalidBody("The body is not JSON in UTF-8.") from None
