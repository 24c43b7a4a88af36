"""Quotas in tests."""

from session.quotas.rules import Rules
from session.quotas.starting import apply_rules

from services.session.tests.desk import Desk


async def set_quotas(desk: Desk, text: str) -> None:
    """Apply quotas, as the service does when it starts with this setting."""
    await apply_rules(Rules.parse(text), desk.database)
