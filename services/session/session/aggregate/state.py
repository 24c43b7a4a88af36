"""What a Session knows, and how it lets a fact be so: what all that it decides stands on."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from decimal import Decimal
from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.events import RunQueued, SessionFact
from contracts.session.values import SdkOptions


@dataclass
class Run:
    """The run that is going. `tool_calls` are those under way: the model's name for the call, and ours."""

    id: UUID
    started: bool = False
    tool_calls: dict[str, UUID] = field(default_factory=dict[str, UUID])


class State(ABC):
    """Each subject of a Session is a subclass; Session puts them together and folds."""

    id: UUID
    sdk_options: SdkOptions
    ready: bool
    archive_id: UUID | None
    messages: int
    run: Run | None
    queue: dict[UUID, RunQueued]
    over: set[UUID]
    paused: bool
    spent_usd: Decimal

    @abstractmethod
    def record(self, fact: SessionFact) -> None:
        """Let a fact be so."""

    def check_ready(self) -> None:
        """Make sure that the session is whole, and open.

        Raises:
            Refusal: SESSION_NOT_READY, it is still being copied; SESSION_ARCHIVED.
        """
        if self.archive_id:
            raise Refusal(Code.SESSION_ARCHIVED, "The session is archived.")
        if not self.ready:
            raise Refusal(Code.SESSION_NOT_READY, "The session is still being copied; try again shortly.")

    def check_idle(self) -> None:
        """Make sure that the session is ready, no run is going in it, and none waits.

        Raises:
            Refusal: SESSION_BUSY, SESSION_NOT_READY, SESSION_ARCHIVED.
        """
        self.check_ready()
        if self.run:
            raise Refusal(Code.SESSION_BUSY, f"The session is busy with run {self.run.id}.")
        if self.queue:
            raise Refusal(Code.SESSION_BUSY, "Queries wait in the session: resume it, or cancel them.")
