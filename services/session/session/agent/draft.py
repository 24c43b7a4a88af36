"""The message that the model is writing: its id, and what was streamed of a block that is not delivered yet."""

from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from contracts.session.values import Block, TextBlock, ThinkingBlock
from runtime.clock import new_id

SYNTHETIC_MODEL = "<synthetic>"
"""The model name of messages that Claude Code writes itself, such as notices of API errors."""
MAX_KEPT_BYTES = 256 * 1024
"""Of the text that is kept in case that it stays incomplete; what is streamed beyond that is only streamed."""

type Kind = Literal["text", "thinking"]


@dataclass
class Draft:
    """An unfinished message. The SDK delivers its blocks one at a time, each after its text was streamed.

    It is `open` from its beginning until the model has said why it stopped.
    """

    id: UUID = field(default_factory=new_id)
    model: str = ""
    open: bool = False
    _pieces: list[tuple[Kind, str]] = field(default_factory=list[tuple[Kind, str]])
    _bytes: int = 0

    def begin(self, model: str) -> None:
        """Note that the model begins to write, or starts again."""
        self.model, self.open = model, True
        self.discard()

    def add(self, kind: Kind, text: str) -> None:
        """Keep a piece that was streamed."""
        self._bytes += len(text.encode())
        if text and self._bytes <= MAX_KEPT_BYTES:
            self._pieces.append((kind, text))

    def discard(self) -> None:
        """Forget the pieces: their block was delivered."""
        self._pieces.clear()
        self._bytes = 0

    def blocks(self) -> list[Block]:
        """Return what was streamed of blocks that were not delivered."""
        thinking = "".join(piece for kind, piece in self._pieces if kind == "thinking")
        text = "".join(piece for kind, piece in self._pieces if kind == "text")
        return [*([ThinkingBlock(thinking=thinking)] if thinking else []), *([TextBlock(text=text)] if text else [])]
