"""Writes of one append are merged if they name different tables. So what triggers write, no merged write may name."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from eventing.database import Database
from eventing.database.deferred import TARGET
from eventing.testing.harness import Databases, migrated

from tests.architecture import house
from tests.contracts.names import AnyService, services

# The functions of triggers, and those of the same schema that they call.
TRIGGERS = """
    WITH RECURSIVE called AS (
        SELECT c.relname::text AS source, p.oid, p.prosrc FROM pg_trigger AS t
            JOIN pg_class AS c ON c.oid = t.tgrelid JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal
        UNION
        SELECT called.source, p.oid, p.prosrc FROM called JOIN pg_proc AS p
            ON p.pronamespace = $1::regnamespace AND called.prosrc ~ ('\\m' || p.proname || '\\(')
    )
    SELECT source, prosrc FROM called"""
WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM) +\"?(\w+)", re.IGNORECASE)
NOT_IN_AN_APPEND = {"DELETE FROM execution_counts WHERE task_id = $1"}
"""Statements of jobs, which run by themselves."""
ONLY_KEYWORDS = {"OF", "SET", "OR"}


async def written_by_triggers(database: Database) -> dict[str, str]:
    """Return the tables that triggers write, each with the table that has the trigger."""
    rows = await database.fetch(TRIGGERS, database.schema)
    found = {(table, row["source"]) for row in rows for table in WRITES.findall(row["prosrc"])}
    return {table: source for table, source in sorted(found) if table.upper() not in ONLY_KEYWORDS}


def mergeable(package: Path) -> Iterator[str]:
    """Yield the statements in the code of a package that may be merged with others."""
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(p.value for p in parts if isinstance(p, ast.Constant) and isinstance(p.value, str))
            if TARGET.match(text):
                yield text


def packages(service: AnyService) -> list[Path]:
    member = house.ROOT / "services" / service.name.replace("_", "-") / service.name
    return [member, house.ROOT / "libs/eventing/eventing/store", house.ROOT / "libs/eventing/eventing/database"]


@pytest.mark.parametrize("service", services(), ids=lambda service: service.name)
async def test_no_append_names_a_table_that_its_triggers_write(service: AnyService, databases: Databases) -> None:
    async with migrated(databases, service.name, service.migrations, as_owner=True) as database:
        written = await written_by_triggers(database)
    statements = [text for package in packages(service) for text in mergeable(package) if text not in NOT_IN_AN_APPEND]
    assert statements
    assert "erasures" in written or service.name == "identity"
    named = [(table, text) for table in written for text in statements if re.search(rf"\b{table}\b", text)]
    assert named == [], f"triggers write these tables ({written}): write them with a statement that begins with WITH"
