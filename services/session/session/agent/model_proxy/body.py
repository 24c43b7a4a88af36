"""Finds the models that a request body names, without parsing the rest of it.

An agent chooses the size and structure of a body. So this takes no more memory than the body itself, never holds the
interpreter for long, and stops after `MAX_STEPS` steps.
"""

import json
import re

MAX_STEPS = 1_000_000
MAX_MODEL_KEY_LEVELS = 3
"""The depth down to which a key `model` names a model: that of the request itself, or of one of its tools."""
MAX_NAME_LENGTH = 400
WINDOW = 2**16

_OPENING = re.compile(rb"[ \t\r\n]*+\{")
_STRUCTURE = re.compile(rb'["\[\]{}]')
_STRING_PART = re.compile(rb'(?:[^"\\]{1,4096}+|\\.){1,256}+', re.DOTALL)
_COLON = re.compile(rb"[ \t\r\n]*+:[ \t\r\n]*+")
_KEY = b'"model"'


class InvalidBody(ValueError):
    """The body is not a JSON object that names its model exactly once. The message is shown to the agent."""


def models(body: bytes) -> list[str]:
    """Return the model of a request, followed by other models that it names.

    Raises:
        InvalidBody: the body is ambiguous, or not a JSON object with a `model`.
    """
    if b"\0" in body or not (opening := _OPENING.match(body)):
        raise InvalidBody("The body is not a JSON object in UTF-8.")
    scan = _Scan(body, opening.end())
    scan.run()
    if scan.requested is None:
        raise InvalidBody("The body names no model.")
    return [scan.requested, *scan.others]


class _Scan:
    """A single pass over a body, from the opening brace to the matching closing brace."""

    def __init__(self, body: bytes, position: int) -> None:
        self.requested: str | None = None
        self.others: list[str] = []
        self._body, self._depth, self._steps = body, 1, 0
        self._position: int = position

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
                case b"{" | b"[":
                    self._depth += 1
                case _:
                    self._depth -= 1
        if self._body[self._position :].strip():
            raise InvalidBody("The body has data after its JSON object.")

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise InvalidBody(f"The body consists of more than {MAX_STEPS} parts.")

    def _string(self, start: int) -> None:
        self._position = self._end_of_string(start)
        if self._depth > MAX_MODEL_KEY_LEVELS:
            return
        key, colon = self._body[start : self._position], _COLON.match(self._body, self._position)
        if colon and len(key) <= MAX_NAME_LENGTH and _decoded(key).casefold() == "model":
            if key != _KEY:
                raise InvalidBody('The key "model" must be written without escapes and in lower case.')
            self._position = colon.end()
            self._model()

    def _model(self) -> None:
        is_string = self._body[self._position : self._position + 1] == b'"'
        if not is_string and self._depth > 1:  # a property of that name in a schema
            return
        start = self._position
        self._position = self._end_of_string(start) if is_string else start
        if not is_string or self._position - start > MAX_NAME_LENGTH:
            raise InvalidBody(f"The model must be a string of at most {MAX_NAME_LENGTH} bytes.")
        name = _decoded(self._body[start : self._position])
        if self._depth > 1:
            self.others.append(name)
        elif self.requested is None:
            self.requested = name
        else:
            raise InvalidBody("The body names its model more than once.")

    def _end_of_string(self, start: int) -> int:
        position = start + 1
        while part := _STRING_PART.match(self._body, position):
            self._step()
            position = part.end()
        if self._body[position : position + 1] != b'"':
            raise InvalidBody("The body ends within a string.")
        return position + 1


def _decoded(string: bytes) -> str:
    try:
        return json.loads(string, strict=False)
    except ValueError:
        raise InvalidBody("The body is not JSON in UTF-8.") from None
