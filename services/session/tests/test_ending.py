"""The end of a worker's part in a run."""

from decimal import Decimal
from typing import Any, cast

import pytest
from contracts.refusals import Code, Refusal
from contracts.session.run import EndRun
from contracts.session.run_view import RunSummary
from eventing.reactions import Reaction
from runtime.clock import new_id
from session.agent import Finished
from session.dependencies import Dependencies
from session.reactions.ending import NOT_STORED, end_finished

RUN = RunSummary.model_construct(id=new_id(), session_id=new_id(), attempt=1)
FINISHED = Finished(output_tokens=7, cost_usd=Decimal("0.25"), structured_output={"n": 1})


class Storing:
    """Takes the place of a reaction; it cannot store results with an output."""

    def __init__(self, error: Exception) -> None:
        self.stored, self._error = list[EndRun](), error

    async def send(self, command: EndRun) -> None:
        if command.structured_output is not None:
            raise self._error
        self.stored.append(command)


async def end_once(error: Exception) -> list[EndRun]:
    storing: Any = Storing(error)
    await end_finished(RUN, FINISHED, cast(Reaction[Dependencies], storing))
    return storing.stored


async def test_a_run_whose_result_cannot_be_stored_fails_and_is_charged() -> None:
    [ending] = await end_once(OverflowError("value out of int64 range"))
    assert (ending.error_code, ending.error_detail) == (Code.AGENT_FAILED, NOT_STORED)
    assert (ending.usage.cost_usd, ending.usage.output_tokens) == (FINISHED.cost_usd, 7)


@pytest.mark.parametrize("error", [Refusal(Code.RUN_OVER, "over"), ConnectionRefusedError()])
async def test_a_refusal_and_an_outage_are_not_the_fault_of_the_result(error: Exception) -> None:
    with pytest.raises(type(error)):
        await end_once(error)
