"""Every read model of every service can be rebuilt from its events, or says why not."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from eventing.database import Database
from eventing.migrating import OWN
from eventing.rebuilding import ReadModel
from eventing.testing.harness import Databases, migrated, owned
from eventing.testing.rebuilding import damage, erase_all, rebuild_model, rows, shape
from runtime.testing import eventually

from tests.architecture.columns import CREATED
from tests.contracts.histories import store_history
from tests.contracts.names import AnyService, services

OF_EVENTING = ["migrations", *(t for file in OWN.glob("*.sql") for t in CREATED.findall(file.read_text()))]
TABLES = "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = $1 AND tablename <> ALL ($2)"
BEGUN = "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = $1 AND tablename = $2)"
MODELS = [(service, model) for service in services() for model in service.read_models.models]


@asynccontextmanager
async def with_history(service: AnyService, databases: Databases) -> AsyncGenerator[Database]:
    async with migrated(databases, service.name, service.migrations) as database:
        await store_history(service, database)
        yield database


@pytest.mark.parametrize(("service", "model"), MODELS, ids=lambda each: each.name)
async def test_a_rebuilt_read_model_equals_the_live_one(
    service: AnyService, model: ReadModel, databases: Databases
) -> None:
    async with with_history(service, databases) as database:
        before, shape_before = await rows(database, model.tables), await shape(database)
        async with owned(databases, database) as owner:
            await erase_all(owner)
            await damage(owner, model)
        await rebuild_model(service, model.name, databases, database)
        assert await rows(database, model.tables) == before
        assert await shape(database) == shape_before


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
async def test_a_table_is_in_a_read_model_or_says_why_not(service: AnyService, databases: Databases) -> None:
    async with migrated(databases, service.name, service.migrations) as database:
        tables = [row["name"] for row in await database.fetch(TABLES, service.name, OF_EVENTING)]
    models = service.read_models
    assert sorted([*models.others, *(table for model in models.models for table in model.tables)]) == sorted(tables)


async def test_a_rebuild_that_is_killed_can_be_repeated(databases: Databases) -> None:
    [report] = [service for service in services() if service.name == "report"]
    async with with_history(report, databases) as database:
        before = await rows(database, ("reports", "report_links"))
        urls = {"DATABASE_URL": database.url, "MIGRATION_DATABASE_URL": databases.as_owner(database.url)}
        command = (sys.executable, "-P", "-m", "report", "rebuild", "reports")
        killed = await asyncio.create_subprocess_exec(*command, env=urls)
        await eventually(lambda: database.fetchval(BEGUN, "rebuild_report", "reports"))
        killed.kill()
        await killed.wait()
        assert await rows(database, ("reports", "report_links")) == before
        repeated = await asyncio.create_subprocess_exec(*command, env=urls, stdout=PIPE)
        said, _ = await repeated.communicate()
        assert (repeated.returncode, b"reports was rebuilt from " in said) == (0, True)
        assert await rows(database, ("reports", "report_links")) == before
