"""Events whose attempts have ended in crashes of the service: one of them is tried at a time.

A crash interrupts everything that is in progress, and nothing says which event has caused it. After the usual attempts
each of these events is a suspect, and is tried without the others: an innocent one succeeds, and the culprit crashes
the service again. Events that are not suspects continue meanwhile, so an attempt delays none of them, however long it
takes.
"""

from collections.abc import Generator
from contextlib import contextmanager

from eventing.leases import OtherSuspect

MAX_ATTEMPTS = 3
"""Attempts as a suspect. More than one, because an event that is no suspect yet may be what crashes the service."""


def check_attempt(number: int) -> None:
    """Check that an event may be tried for the `number`th time as a suspect; 0 or less: it is none.

    Raises:
        RuntimeError: the service crashed at each attempt.
    """
    if number > MAX_ATTEMPTS:
        raise RuntimeError("the service crashed at each attempt")


class Suspects:
    """Lets one replica try one suspect at a time. Only events in the same process are interrupted by its crash."""

    def __init__(self) -> None:
        self._trying = False

    @contextmanager
    def attempt(self, number: int) -> Generator[None]:
        """Try an event during the block, for the `number`th time as a suspect; 0 or less: it is none.

        Raises:
            OtherSuspect: another suspect is being tried.
            RuntimeError: the service crashed at each attempt.
        """
        check_attempt(number)
        with self.turn(number > 0):
            yield

    @contextmanager
    def turn(self, is_suspect: bool) -> Generator[None]:
        """Try an event during the block, alone of all suspects if it is one.

        Raises:
            OtherSuspect: another suspect is being tried.
        """
        if not is_suspect:
            yield
            return
        if self._trying:
            raise OtherSuspect("another event is tried whose attempts have ended in crashes")
        self._trying = True
        try:
            yield
        finally:
            self._trying = False
