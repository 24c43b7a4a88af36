"""What a turn used: as the agent tells, and as the model proxy saw."""

from dataclasses import replace

from contracts.refusals import Code

from session.agent.model_proxy import Access
from session.agent.telling import COST_PLACES, NO_MONEY, Finished


def counted(finished: Finished, access: Access) -> Finished:
    """Return how a turn ended with all that was used in it, also what the agent did not tell of."""
    if finished.error_code is Code.MODEL_ERROR and access.exhausted:
        finished = replace(finished, error_code=Code.BUDGET_EXCEEDED, error_detail=NO_MONEY)
    used = access.meter.tokens
    return replace(
        finished,
        input_tokens=max(finished.input_tokens, used.read),
        output_tokens=max(finished.output_tokens, used.output),
        cost_usd=round(access.meter.cost_usd_beside(finished.told, finished.cost_usd), COST_PLACES),
    )
