"""The read model of templates."""

from typing import assert_never
from uuid import UUID

from contracts.session.template import TemplateChanged, TemplateCreated, TemplateDeleted, TemplateFact
from eventing.database import Connection
from eventing.recording import Recorded


async def project_template(recorded: Recorded[TemplateFact], db: Connection) -> None:
    """Write what one fact of a template means for those who read."""
    id, at = recorded.id, recorded.at  # noqa: A001  the column's name
    match recorded.fact:
        case TemplateCreated() as fact:
            await db.execute(
                "INSERT INTO session_templates (id, user_id, name, description, category, sdk_options, default_mode, "
                "is_public, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
                id, fact.user_id, fact.name, fact.description, fact.category,
                fact.sdk_options.model_dump(mode="json"), fact.default_mode, fact.is_public, at,
            )  # fmt: skip
        case TemplateChanged() as fact:
            await db.execute(
                "UPDATE session_templates SET name = $2, description = $3, category = $4, sdk_options = $5, "
                "default_mode = $6, is_public = $7, updated_at = $8 WHERE id = $1",
                id, fact.name, fact.description, fact.category, fact.sdk_options.model_dump(mode="json"),
                fact.default_mode, fact.is_public, at,
            )  # fmt: skip
        case TemplateDeleted():
            await db.execute("DELETE FROM template_uses WHERE template_id = $1", id)
            await db.execute("DELETE FROM session_templates WHERE id = $1", id)
        case _:
            assert_never(recorded.fact)


async def count_use(template_id: UUID, db: Connection) -> None:
    """Count a session that was made from the template."""
    await db.execute(
        "INSERT INTO template_uses AS u (template_id, slot, n) VALUES ($1, pg_backend_pid() % 64, 1) "
        "ON CONFLICT (template_id, slot) DO UPDATE SET n = u.n + 1",
        template_id,
    )
