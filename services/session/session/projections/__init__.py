"""The read models of the session service, written in the transaction that stores the fact: a module an aggregate."""

from typing import Any

from eventing.database import Connection
from eventing.recording import Recorded

from session.aggregate import SessionTemplate
from session.projections.session import project as project_session
from session.projections.template import project_template


async def project(recorded: Recorded[Any], db: Connection) -> None:
    """Write what one fact means for those who read."""
    of_template = recorded.fact.subject in SessionTemplate.facts
    await (project_template if of_template else project_session)(recorded, db)
