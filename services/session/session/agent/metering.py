"""The usage of a turn, combined from what the agent reports and what the model proxy counted."""

from dataclasses import replace

from contracts.refusals import Code

from session.agent.agent_events import BUDGET_REACHED, Finished
from session.agent.model_proxy import Access
from session.agent.reported import COST_DECIMALS


def with_metered_usage(finished: Finished, access: Access) -> Finished:
    """Return `finished` with the whole usage of the turn, including requests that the agent did not report."""
    if finished.error_code is Code.MODEL_ERROR and access.exhausted:
        finished = replace(finished, error_code=Code.BUDGET_EXCEEDED, error_detail=BUDGET_REACHED)
    elif finished.error_code is Code.MODEL_ERROR and access.refusal:
        finished = replace(finished, error_code=access.refusal.code, error_detail=access.refusal.detail)
    used = access.meter.tokens
    return replace(
        finished,
        input_tokens=max(finished.input_tokens, used.read),
        output_tokens=max(finished.output_tokens, used.output),
        cost_usd=round(access.meter.total_cost_usd(finished.reported, finished.cost_usd), COST_DECIMALS),
    )
