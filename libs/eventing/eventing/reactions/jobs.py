"""Jobs: long work that an event requests, that one replica does, and that a command completes or fails.

A job is a shared reaction under a lease. The sweep finds a job whose event the bus has lost, another worker resumes the
job of one that was killed, and transient failures are retried later. So the work has to be safe to repeat.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, get_args

from contracts.messages import Event
from contracts.refusals import Code, Refusal

from eventing.leases import UnfinishedWork
from eventing.reactions.reaction import Reaction
from eventing.reactions.registration import Concurrency, Reactions, Registration
from eventing.recording import Recorded
from eventing.retrying import retry_transient

GAVE_UP_DETAIL = "The service tried several times and could not complete it."


class JobFailed(Exception):
    """A job cannot succeed, however often it is retried. `code` and `detail` are for the client that requested it."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


class JobNotWanted(Exception):
    """A job is no longer wanted: another worker ended it, it was cancelled, or its aggregate was deleted."""


class Job[T, E: Event](ABC):
    """A job that an event of the service requests. A subclass names it: `class Pack(Job[Dependencies, PackRequested])`.

    `unfinished` finds the job in the read model until a command has ended it. `give_up_code` is the code that it fails
    with after the last attempt.
    """

    unfinished: ClassVar[UnfinishedWork]
    give_up_code: ClassVar[Code]

    def __init__(self, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        self.recorded, self.reaction = recorded, reaction

    @property
    def event(self) -> E:
        """The event that requests the job."""
        return self.recorded.event

    @property
    def dependencies(self) -> T:
        """The dependencies of the service."""
        return self.reaction.dependencies

    @abstractmethod
    async def work(self) -> None:
        """Do the work, and send the command that completes the job.

        Calls `check_wanted` between two steps outside the service.

        Raises:
            JobFailed: it cannot be done; `fail` is called.
            Exception: it cannot be done at present; it is retried later.
        """

    @abstractmethod
    async def fail(self, failure: JobFailed) -> None:
        """Send the command that fails the job, and remove what was created so far."""

    async def give_up(self) -> None:
        """End the job after the last attempt failed; retried until this itself succeeds."""
        await self.fail(JobFailed(self.give_up_code, GAVE_UP_DETAIL))

    @abstractmethod
    async def discard(self) -> None:
        """Remove what this worker created for a job that is no longer wanted, but not the work of another worker."""

    async def check_wanted(self) -> None:
        """Check that the job has not been ended.

        Raises:
            JobNotWanted: it has.
        """
        if not await self._is_wanted():
            raise JobNotWanted

    async def _is_wanted(self) -> bool:
        database = self.reaction.router.dispatcher.database
        return await retry_transient(lambda: self.unfinished.includes(self.recorded, database))

    async def _work_or_fail(self) -> None:
        try:
            await self.work()
        except JobFailed as failure:
            await self.fail(failure)

    async def _while_wanted(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        except JobNotWanted:
            await self.discard()
        except Refusal:  # with any code: the commands of a job that is no longer wanted are refused
            if await self._is_wanted():
                raise
            await self.discard()

    async def _give_up_if_wanted(self) -> None:
        await self.check_wanted()
        await self.give_up()

    @classmethod
    async def react(cls, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        """Do the job that an event requests (a reaction). The lease on it was acquired, so it is wanted now."""
        job = cls(recorded, reaction)
        await job._while_wanted(job._work_or_fail)

    @classmethod
    async def react_to_dead_letter(cls, recorded: Recorded[E], reaction: Reaction[T]) -> None:
        """Give up the job that an event requests, before that event is dead-lettered (a reaction)."""
        job = cls(recorded, reaction)
        await job._while_wanted(job._give_up_if_wanted)


def job[J: type[Job[Any, Any]]](reactions: Reactions, name: str, *, concurrency: Concurrency = 16) -> Callable[[J], J]:
    """Register a class of jobs as the shared reaction `name`; a replica does at most `concurrency` at the same time."""

    def register(kind: J) -> J:
        event = get_args(kind.__dict__["__orig_bases__"][0])[-1]
        reactions.add(Registration(name, event, kind.react, concurrency, kind.react_to_dead_letter, kind.unfinished))
        return kind

    return register
