"""Rebuilds read models, and compares them with what they were."""

# ruff: noqa: S608
# Tables and columns are constants of the services.

import asyncio
from collections.abc import Iterable
from typing import Any

from eventing.database import Database
from eventing.rebuild_job import RebuildSettings, rebuild
from eventing.rebuilding import ReadModel
from eventing.service import Service
from eventing.testing.harness import Databases

COLUMNS = """
    SELECT attname::text AS name FROM pg_attribute
    WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped"""
OPTIONAL = COLUMNS + " AND NOT attnotnull AND attgenerated = ''"


SHAPE = """
    SELECT format('column %I.%I %s %s %s %s%s %s', c.relname, attname, atttypid::regtype, atttypmod, attnotnull,
        attidentity, attgenerated, pg_get_expr(d.adbin, d.adrelid)) AS part
    FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace = $1::text::regnamespace AND attnum > 0 AND c.relkind IN ('r', 'v')
    UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1::text
    UNION ALL SELECT format('%s.%I %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid), convalidated)
    FROM pg_constraint WHERE connamespace = $1::text::regnamespace
    UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
    WHERE c.relnamespace = $1::text::regnamespace AND NOT t.tgisinternal
    UNION ALL SELECT format('view %I %s', viewname, definition) FROM pg_views WHERE schemaname = $1::text
    UNION ALL SELECT format('%s %I of %s: %s', relkind, relname, relowner::regrole,
        array(SELECT unnest(relacl)::text ORDER BY 1)) FROM pg_class WHERE relnamespace = $1::text::regnamespace
    ORDER BY part"""


async def shape(database: Database) -> list[str]:
    """Return all that a schema consists of, except rows."""
    return [row["part"] for row in await database.fetch(SHAPE, database.schema)]


async def rebuild_model(service: Service[Any, Any], name: str, databases: Databases, database: Database) -> None:
    """Rebuild a read model as the command does."""
    urls = {"database_url": database.url, "migration_database_url": databases.as_owner(database.url)}
    await rebuild(service, name, RebuildSettings.model_validate(urls), asyncio.Event())


async def erase_all(owner: Database) -> None:
    """Erase the events of the aggregates that were deleted, without waiting for their time."""
    await owner.execute("UPDATE erasures SET due_at = now() - interval '1 second'")
    await owner.execute("SELECT erase_events(aggregate) FROM erasures")


async def damage(owner: Database, model: ReadModel) -> None:
    """Empty what can be empty in the tables of a read model, and count wrong."""
    for table in model.tables:
        kept = model.kept.get(table, ())
        columns = [row["name"] for row in await owner.fetch(OPTIONAL, table) if row["name"] not in kept]
        changes = [f"{name} = NULL" for name in columns] or (["n = n + 1"] if "counts" in table else [])
        await owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        if changes:
            await owner.execute(f"UPDATE {table} SET {', '.join(changes)}")
        await owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")


async def rows(database: Database, tables: Iterable[str]) -> dict[str, list[str]]:
    """Return the rows of some tables, in an order of their own; counters as the sum of their slots."""
    return {table: await _rows(database, table) for table in tables}


async def _rows(database: Database, table: str) -> list[str]:
    query = f"SELECT t::text AS row FROM {table} AS t"
    columns = {row["name"] for row in await database.fetch(COLUMNS, table)}
    if {"slot", "n"} <= columns:
        keys = ", ".join(sorted(columns - {"slot", "n"}))
        query = f"SELECT ({keys}, sum(n))::text AS row FROM {table} GROUP BY {keys} HAVING sum(n) <> 0"
    return sorted(row["row"] for row in await database.fetch(query))
