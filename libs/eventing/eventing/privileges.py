"""Privileges of the role that a service runs with, on tables and functions that another role owns."""

import asyncpg
from runtime.logging import get_logger
from runtime.starting import CannotStart

from eventing.database import Connection, Database
from eventing.database.start import migrate_advice

log = get_logger()

DEFAULT = "{SELECT,INSERT,UPDATE,DELETE}"
# Tables whose privileges differ from those that the role should have. Grants to a column or by other roles are ignored.
# A role keeps all of them on its own tables: without INSERT on `migrations`, for one, it could apply no further ones.
DIFFERENT = f"""
    SELECT * FROM (
        SELECT format('%I.%I', n.nspname, c.relname) AS name,
            coalesce(p.granted, '{DEFAULT}') AS wanted,
            array(SELECT privilege_type FROM aclexplode(c.relacl) WHERE grantee = $1::regrole) AS held
        FROM pg_class AS c
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN privileges AS p ON p.table_name = c.relname
        WHERE n.nspname = $2 AND c.relkind IN ('r', 'p', 'v', 'm') AND c.relowner <> $1::regrole) AS tables
    WHERE NOT (wanted @> held AND held @> wanted)"""  # noqa: S608  no input
# Functions that run as their owner. Migrations revoke them from everybody; triggers run without a privilege.
MISSING_FUNCTIONS = """
    SELECT p.oid::regprocedure::text AS name FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE n.nspname = $2 AND p.prosecdef AND p.prorettype <> 'trigger'::regtype
        AND NOT has_function_privilege($1::regrole, p.oid, 'EXECUTE')"""
# What the present role cannot do with tables and functions, also not by privileges of other roles or of everybody.
LACKING = f"""
    SELECT c.oid::regclass::text AS name
    FROM pg_class AS c LEFT JOIN privileges AS p ON p.table_name = c.relname
    WHERE c.relnamespace = $1::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm') AND EXISTS (
        SELECT FROM unnest(coalesce(p.granted, '{DEFAULT}')) AS privilege
        WHERE NOT has_table_privilege(c.oid, privilege))
    UNION ALL
    SELECT oid::regprocedure::text FROM pg_proc
    WHERE pronamespace = $1::regnamespace AND prosecdef AND prorettype <> 'trigger'::regtype
        AND NOT has_function_privilege(oid, 'EXECUTE')
    ORDER BY name"""  # noqa: S608  no input
MAX_NAMED = 3
MAY_USE = "SELECT has_schema_privilege($1, $2, 'USAGE')"
# A role that may act as an owner can do anything with its tables. Below PostgreSQL 16, a role that may create roles can
# make itself a member of the owner.
UNRESTRICTED = """
    SELECT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)
        OR EXISTS (SELECT FROM pg_namespace WHERE nspname = $1 AND pg_has_role(nspowner, 'MEMBER'))
        OR EXISTS (
            SELECT FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND pg_has_role(c.relowner, 'MEMBER'))
        OR EXISTS (
            SELECT FROM privileges AS p, unnest('{INSERT,UPDATE,DELETE,TRUNCATE,TRIGGER}'::text[]) AS privilege
            WHERE privilege <> ALL (p.granted) AND has_table_privilege(
                to_regclass(format('%I.%I', $1, p.table_name)), privilege))"""


async def grant(database: Database, role: str) -> None:
    """Grant a role the privileges that the service needs on its tables and functions, and revoke others on tables.

    The caller's role must own the tables. If the other one is the same, or owns some of them, it keeps its privileges.
    """
    async with database.transaction() as connection:
        if not await connection.fetchval(MAY_USE, role, database.schema):
            await connection.execute(f"GRANT USAGE ON SCHEMA {_quoted(database.schema)} TO {_quoted(role)}")
        for row in await connection.fetch(DIFFERENT, _quoted(role), database.schema):
            await _grant(connection, row["name"], row["wanted"], role)
        for row in await connection.fetch(MISSING_FUNCTIONS, _quoted(role), database.schema):
            await connection.execute(f"GRANT EXECUTE ON FUNCTION {row['name']} TO {_quoted(role)}")


async def _grant(connection: Connection, table: str, wanted: list[str], role: str) -> None:
    await connection.execute(f"REVOKE ALL ON {table} FROM {_quoted(role)}")
    await connection.execute(f"GRANT {', '.join(wanted)} ON {table} TO {_quoted(role)}")


async def check_role(database: Database) -> None:
    """Check that the role of the service has the privileges that it needs.

    Logs a warning if it can do more with its tables than the service does.

    Raises:
        CannotStart: it lacks privileges, since the migrations were applied for no role, or for another one.
    """
    try:
        lacking = [row["name"] for row in await database.fetch(LACKING, database.schema)]
    except asyncpg.InsufficientPrivilegeError:
        lacking = ["privileges"]
    if lacking:
        names = ", ".join(lacking[:MAX_NAMED])
        raise CannotStart(f"the database role lacks privileges on {names}. {migrate_advice(database.schema)}")
    if await database.fetchval(UNRESTRICTED, database.schema):
        log.warning(
            "the database role of this service may change its own privileges, so its append-only tables are protected "
            "by triggers only: let another role own the tables, and set MIGRATION_DATABASE_URL to that one"
        )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
