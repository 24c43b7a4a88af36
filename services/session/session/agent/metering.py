"""What a turn used: as the agent tells, and as the model proxy saw."""

from dataclasses import replace

from contracts.refusals import Code

from session.agent.agent_events import BUDGET_REACHED, COST_DECIMALS, Finished
from session.agent.model_proxy import Access


def with_metered_usage(finished: Finished, access: Access) -> Finished:
    """Return how a turn ended with all that was used in it, also what the agent did not tell of."""
    if finished.error_code is Code.MODEL_ERROR and access.exhausted:
        finished = replace(finished, error_code=Code.BUDGET_EXCEEDED, error_detail=BUDGET_REACHED)
    used = access.meter.tokens
    return replace(
        finished,
        input_tokens=max(finished.input_tokens, used.read),
        output_tokens=max(finished.output_tokens, used.output),
        cost_usd=round(access.meter.total_cost_usd(finished.reported, finished.cost_usd), COST_DECIMALS),
    )
