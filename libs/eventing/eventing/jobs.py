"""Jobs: long work that an event asks for, done by one replica, and ended by a command that tells the aggregate how.

A job is a shared reaction under a lease: the sweep finds it when the bus has lost its event, a killed worker's is taken
up by another one, what fails for a passing reason is tried again later. So its work has to be safe to repeat.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, get_args

from contracts.messages import Event
from contracts.refusals import Code, Refusal

from eventing.leases import Unfinished
from eventing.reaction import Reaction
from eventing.recording import Recorded
from eventing.registration import Concurrency, Reactions, Registration
from eventing.retrying import retry_transient

GIVEN_UP = "The service could not bring it to its end."


class JobFailed(Exception):
    """A job cannot succeed, however often it is tried; the code and the detail are for whoever asked for it."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class NotWanted(Exception):
    """Nobody waits for a job any more: another worker ended it, it was cancelled, or its aggregate is deleted."""


class Job[T, E: Event](ABC):
    """A job that an event of the service asks for. A subclass names the event: `class Pack(Job[Tools, PackRequested])`.

    `unfinished` shows it in the read model until a command has ended it; `given_up` is the code that it fails with when
    every try has failed.
    """

    unfinished: ClassVar[Unfinished]
    given_up: ClassVar[Code]

    def __init__(self, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        self.recorded, self.reaction = recorded, reaction

    @property
    def event(self) -> E:
        """The event that asks for it."""
        return self.recorded.event

    @property
    def dependencies(self) -> T:
        """What the service's reactions work with."""
        return self.reaction.dependencies

    @abstractmethod
    async def work(self) -> None:
        """Do it, and send the command that completes it.

        Between two steps outside the service, `check_wanted`.

        Raises:
            JobFailed: it cannot be done; `fail` is called then.
            Exception: it cannot be done just now; it is tried again later.
        """

    @abstractmethod
    async def fail(self, failure: JobFailed) -> None:
        """Send the command that fails it, and remove what was made until then."""

    async def give_up(self) -> None:
        """End it after every try has failed; tried again until it succeeds itself."""
        await self.fail(JobFailed(self.given_up, GIVEN_UP))

    @abstractmethod
    async def discard(self) -> None:
        """Remove what was made for nobody, where that is not the work of another worker."""

    async def check_wanted(self) -> None:
        """Make sure that the job is not ended yet.

        Raises:
            NotWanted: it is.
        """
        if not await self._is_wanted():
            raise NotWanted

    async def _is_wanted(self) -> bool:
        return await retry_transient(
            lambda: self.unfinished.shows(self.recorded, self.reaction.router.dispatcher.database)
        )

    async def _work_or_fail(self) -> None:
        try:
            await self.work()
        except JobFailed as failure:
            await self.fail(failure)

    async def _while_wanted(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await self.check_wanted()
            await act()
        except NotWanted:
            await self.discard()
        except Refusal:  # whatever the code: what is not wanted any more is refused
            if await self._is_wanted():
                raise
            await self.discard()

    @classmethod
    async def react(cls, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        """Do the job that an event asks for (a reaction)."""
        job = cls(recorded, reaction)
        await job._while_wanted(job._work_or_fail)

    @classmethod
    async def react_to_loss(cls, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        """Give up the job that an event asks for (what is called before that is dead-lettered)."""
        job = cls(recorded, reaction)
        await job._while_wanted(job.give_up)


def job[J: type[Job[Any, Any]]](reactions: Reactions, name: str, *, concurrency: Concurrency = 16) -> Callable[[J], J]:
    """Register a class of jobs as the shared reaction `name`; a replica does at most `concurrency` at a time."""

    def register(kind: J) -> J:
        event = get_args(kind.__dict__["__orig_bases__"][0])[-1]
        reactions.add(Registration(name, event, kind.react, concurrency, kind.react_to_loss, kind.unfinished))
        return kind

    return register
