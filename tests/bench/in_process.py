"""Commands and queries of the session service, handled in this process."""

from types import SimpleNamespace
from typing import Any, cast

from eventing.database import Database
from eventing.handling.dispatch import Dispatcher
from eventing.store.postgres import PostgresStore
from session.app import service
from session.ceilings import Ceilings


def dispatcher(store: PostgresStore, database: Database) -> Dispatcher[Any]:
    """Return one for what needs neither agents nor files."""
    dependencies = cast(Any, SimpleNamespace(ceilings=Ceilings()))
    return Dispatcher(store, database, dependencies, service.commands, service.queries)
