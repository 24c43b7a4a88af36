"""The rule on columns: migrations add those that a service writes, so that none is forgotten with a new event."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.architecture import house
from tests.architecture.rule import rule

type Columns = set[tuple[str, str]]

CREATED = re.compile(r"CREATE TABLE (\w+) \(")
ALTERED = re.compile(r"ALTER TABLE (\w+)([^;]*)")
ADDED = re.compile(r"ADD COLUMN (\w+)")
INSERTED = re.compile(r"INSERT INTO (\w+)(?: AS \w+)? \(([^()]*)\)")
UPSERTED = re.compile(r"INSERT INTO (\w+)(?:(?!INSERT INTO).)* DO UPDATE SET ", re.DOTALL)
UPDATED = re.compile(r"UPDATE (\w+)(?: (?:AS )?(?!SET)\w+)? SET\s+")
END = re.compile(r"\b(?:WHERE|FROM|RETURNING)\b|\)")
"""What ends the columns of a statement, or the statement itself if it lies in parentheses."""


@rule
def migrations_add_what_services_write(root: Path) -> list[str]:
    wrong: list[str] = []
    for service in house.event_sourced(root):
        known = added([*(root / "libs/eventing").rglob("*.sql"), *service.migrations.glob("*.sql")])
        for path in sorted(service.source.rglob("*.py")):
            missing = sorted(written(path) - known)
            wrong += [f"{path.relative_to(root)}: no migration adds {table}.{column}" for table, column in missing]
    return wrong


def added(migrations: Iterable[Path]) -> Columns:
    found: Columns = set()
    for path in migrations:
        text = re.sub(r"--.*", "", house.read(path))
        found |= {(table[1], part.split()[0]) for table in CREATED.finditer(text) for part in listed(text, table.end())}
        found |= {(table[1], column) for table in ALTERED.finditer(text) for column in ADDED.findall(table[2])}
    return found


def written(path: Path) -> Columns:
    """Return the columns that the SQL in a file names; those that it puts together are not seen."""
    found: Columns = set()
    for text in _sql(path):
        found |= {(table, column) for table, columns in INSERTED.findall(text) for column in columns.split(", ")}
        updates = [*UPSERTED.finditer(text), *UPDATED.finditer(text)]
        parts = [(update[1], part.split(" = ")) for update in updates for part in listed(text, update.end())]
        found |= {(table, sides[0]) for table, sides in parts if len(sides) > 1}
    return {(table, column) for table, column in found if column.isidentifier()}


def listed(text: str, start: int) -> list[str]:
    """Return the items of a list in SQL that begins here, without what is in parentheses."""
    rest, before = text[start:], ""
    while rest != before:
        rest, before = re.sub(r"\([^()]*\)", "", rest), rest
    return [item for part in END.split(rest, maxsplit=1)[0].split(",") if (item := part.strip())]


def _sql(path: Path) -> Iterator[str]:
    if not re.search("INSERT INTO|UPDATE ", house.read(path)):
        return
    for node in ast.walk(house.parse(path)):
        if isinstance(node, ast.Constant | ast.JoinedStr):
            parts = node.values if isinstance(node, ast.JoinedStr) else [node]
            text = "".join(str(part.value) if isinstance(part, ast.Constant) else "?" for part in parts)
            yield re.sub(r"\s+", " ", text)
