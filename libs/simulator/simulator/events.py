"""Converting an answer to a stream of events, with pauses and faults between them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from simulator.script import Turn
from simulator.wire import Json

EMPTY_FIELDS: dict[str, Json] = {
    "text": {"text": ""},
    "thinking": {"thinking": "", "signature": ""},
    "tool_use": {"input": {}},
}


@dataclass(frozen=True)
class Pause:
    """A pause in the stream, in seconds."""

    seconds: float


@dataclass(frozen=True)
class Cut:
    """The connection is dropped here."""


type Step = Json | Pause | Cut


def steps(answer: Json, turn: Turn) -> Iterator[Step]:
    """Yield the events of `answer`, with the pauses and faults of `turn` between them."""
    body = list(_body(answer["content"], max(turn.chunks, 2 if turn.stall or turn.cut else 1)))
    middle = _middle(body)
    yield from _opening(answer)
    for index, event in enumerate(body):
        if index == middle:
            yield from _faults(turn)
        yield event
        if turn.chunk_delay and event.get("delta", {}).get("type") == "text_delta":
            yield Pause(turn.chunk_delay)
    yield from _closing(answer)


def _opening(answer: Json) -> Iterator[Json]:
    usage = {**answer["usage"], "output_tokens": 1}
    empty: Json = {"content": [], "stop_reason": None, "usage": usage}
    yield {"type": "message_start", "message": {**answer, **empty}}
    yield {"type": "ping"}


def _body(blocks: list[Json], chunks: int) -> Iterator[Json]:
    for index, block in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": {**block, **EMPTY_FIELDS[block["type"]]}}
        for delta in _deltas(block, chunks):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}


def _deltas(block: Json, chunks: int) -> Iterator[Json]:
    match block["type"]:
        case "text":
            for part in _parts(block["text"], chunks):
                yield {"type": "text_delta", "text": part}
        case "thinking":
            yield {"type": "thinking_delta", "thinking": block["thinking"]}
            yield {"type": "signature_delta", "signature": block["signature"]}
        case _:
            yield {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}


def _parts(text: str, chunks: int) -> list[str]:
    size = max(1, -(-len(text) // chunks))
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def _middle(body: list[Json]) -> int:
    """Return the index of the delta that starts the second half of the text; without a text, of all deltas."""
    deltas = [index for index, event in enumerate(body) if "delta" in event]
    text_deltas = [index for index in deltas if body[index]["delta"]["type"] == "text_delta"]
    chosen = text_deltas or deltas
    return chosen[len(chosen) // 2]


def _faults(turn: Turn) -> Iterator[Step]:
    if turn.stall:
        yield Pause(turn.stall)
    if turn.cut:
        yield Cut()


def _closing(answer: Json) -> Iterator[Json]:
    ending = {"stop_reason": answer["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": {"output_tokens": answer["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}
