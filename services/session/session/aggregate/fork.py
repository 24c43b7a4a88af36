"""The decisions of a Session about its creation as a fork."""

from typing import assert_never

from contracts.refusals import Code
from contracts.session.fork import ForkCompleted, ForkEvent, ForkFailed, SessionForked

from session.aggregate.state import State


class Forking(State):
    """The copy of a parent session. Late or repeated reports of a worker are ignored."""

    def complete_fork(self, file_count: int, left_out: int, size_bytes: int | None = None) -> None:
        """Record that the copy is complete."""
        if self.phase == "copying":
            self.record(ForkCompleted(file_count=file_count, left_out=left_out, size_bytes=size_bytes))

    def fail_fork(self, error_code: Code, error_detail: str) -> None:
        """Record that the copy failed."""
        if self.phase == "copying":
            self.record(ForkFailed(error_code=error_code, error_detail=error_detail))

    def apply_fork(self, event: ForkEvent) -> None:
        """Fold one event of the copy."""
        match event:
            case SessionForked():
                self.phase = "copying"
                self.messages = len(event.message_ids)
            case ForkCompleted():
                self.phase = "open"
            case ForkFailed():
                self.phase = "broken"
            case _:
                assert_never(event)
