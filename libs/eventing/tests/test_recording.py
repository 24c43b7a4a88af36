from datetime import UTC, datetime
from uuid import UUID

import pytest
from contracts.samples import RUN, SESSION
from contracts.session.events import RunFailed
from eventing.recording import LARGEST_FACT, Change, FactMapper, FactTooLarge


def test_a_fact_that_the_bus_would_not_carry_is_not_stored() -> None:
    fact = RunFailed.model_validate({**RunFailed.sample, "run_id": RUN, "error_detail": "x" * LARGEST_FACT})
    with pytest.raises(FactTooLarge, match=r"evt\.session\.run_failed"):
        FactMapper().to_stored_event(Change(UUID(SESSION), 1, datetime(2026, 11, 25, tzinfo=UTC), fact))
