"""Many cases in one test, for cases that differ in their values only: they share the servers of the test."""

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

type Test = Callable[..., Any]
type Case = Mapping[str, Any]


def every_case(
    names: str | Sequence[str], cases: Iterable[Any], *, before: Callable[[Case], None] = lambda _: None
) -> Callable[[Test], Test]:
    """Return a decorator with the parameters of `pytest.mark.parametrize`, which runs all cases as one test.

    Cases that fail do not stop the others: the test fails with all of their failures, each with its case.

    Args:
        names: the parameters of the test, separated by commas if they are in one text.
        cases: the values of each case; with one parameter, its value.
        before: is called with the fixtures before each case, to undo what the one before has left.

    Raises:
        ValueError: there is no case.
    """
    parameters = names.replace(" ", "").split(",") if isinstance(names, str) else names
    values = [dict(zip(parameters, case if len(parameters) > 1 else [case], strict=True)) for case in cases]
    if not values:
        raise ValueError("there is no case")

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        fixtures = [each for name, each in signature.parameters.items() if name not in parameters]
        wrapper: Any = functools.wraps(test)(_of_all(test, values, before))
        wrapper.__signature__ = signature.replace(parameters=fixtures)
        return wrapper

    return decorate


def _of_all(test: Test, cases: Sequence[Case], before: Callable[[Case], None]) -> Test:
    async def run(**fixtures: Any) -> None:
        failures = _Failures()
        for case in cases:
            with failures.of(case):
                before(fixtures)
                await test(**fixtures, **case)
        failures.report()

    def run_plain(**fixtures: Any) -> None:
        failures = _Failures()
        for case in cases:
            with failures.of(case):
                before(fixtures)
                test(**fixtures, **case)
        failures.report()

    return run if inspect.iscoroutinefunction(test) else run_plain


class _Failures:
    def __init__(self) -> None:
        self._failures = list[BaseException]()

    @contextmanager
    def of(self, case: Case) -> Generator[None]:
        try:
            yield
        except (Exception, pytest.fail.Exception) as failure:  # noqa: BLE001  reported with those of all cases
            failure.add_note("\n".join(f"case: {name} = {value!r:.300}" for name, value in case.items()))
            self._failures.append(failure)

    def report(self) -> None:
        if self._failures:
            raise BaseExceptionGroup(f"{len(self._failures)} cases failed", self._failures)
