"""Messages that a hostile client of a WebSocket could send."""

import json
from dataclasses import dataclass
from typing import Any

from contracts.samples import APPROVAL
from hypothesis import strategies as st


@dataclass(frozen=True)
class Frame:
    """The content of one message."""

    content: bytes
    as_text: bool

    @property
    def ends_connection(self) -> bool:
        """Whether the server closes the connection: the text is no UTF-8, or the frame is too large."""
        return len(self.content) > MAX_MESSAGE_BYTES or (self.as_text and not self._is_utf8)

    @property
    def _is_utf8(self) -> bool:
        try:
            self.content.decode()
        except UnicodeDecodeError:
            return False
        return True


TYPES = ("query", "interrupt", "approve", "deny", "ping")
MAX_MESSAGE_BYTES = 1024 * 1024

_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=200)
_scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), _text)
_json: st.SearchStrategy[Any] = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_text, inner, max_size=5), max_leaves=20
)
_data: st.SearchStrategy[Any] = st.one_of(
    _json,
    st.fixed_dictionaries({}, optional={"message": _json, "on_busy": _json, "approval_id": _json, "remember": _json}),
    st.fixed_dictionaries({"approval_id": st.just(APPROVAL)}, optional={"message": _json}),
)
_envelopes: st.SearchStrategy[Any] = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | _json,
        "data": _data,
        "id": _json,
        "idempotency_key": st.sampled_from(("one", "two")) | _json,
        "extra": _json,
    },
)


def _nested(depth: int) -> str:
    return '{"type": "query", "data": ' + "[" * depth + "]" * depth + "}"


def _long(size: int) -> str:
    return json.dumps({"type": "ping", "data": {"message": "x" * size}})


texts = st.one_of(
    _envelopes.map(json.dumps),
    _json.map(json.dumps),
    _text.map(lambda text: text.encode(errors="replace").decode()),
    st.integers(1, 200_000).map(_nested),
    st.integers(1, 2 * MAX_MESSAGE_BYTES).map(_long),
    st.integers(1, 50_000).map(lambda size: json.dumps({"type": "query", "data": ["x"] * size})),
)
frames = st.one_of(
    texts.map(lambda text: Frame(text.encode(), as_text=True)),
    st.binary(max_size=500).map(lambda content: Frame(content, as_text=True)),
    st.binary(max_size=500).map(lambda content: Frame(content, as_text=False)),
)
"""Frames of text, also such that is no UTF-8, and binary ones."""
