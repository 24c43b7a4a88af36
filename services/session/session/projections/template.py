"""The read model of templates."""

from typing import Any, assert_never

from contracts.session.template import TemplateChanged, TemplateCreated, TemplateDeleted, TemplateEvent
from eventing.database import Connection
from eventing.database.counters import Counters
from eventing.recording import Recorded

TEMPLATE_USES = Counters("template_uses", "template_id")


async def project_template(event: TemplateEvent, recorded: Recorded[Any], db: Connection) -> None:
    """Update the read model with one event of a template."""
    id, at = recorded.id, recorded.at
    match event:
        case TemplateCreated():
            await db.execute(
                "INSERT INTO session_templates (id, user_id, name, description, category, sdk_options, default_mode, "
                "is_public, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9)",
                id, event.user_id, event.name, event.description, event.category,
                event.sdk_options.model_dump(mode="json"), event.default_mode, event.is_public, at,
            )  # fmt: skip
        case TemplateChanged():
            await db.execute(
                "UPDATE session_templates SET name = $2, description = $3, category = $4, sdk_options = $5, "
                "default_mode = $6, is_public = $7, updated_at = $8 WHERE id = $1",
                id, event.name, event.description, event.category, event.sdk_options.model_dump(mode="json"),
                event.default_mode, event.is_public, at,
            )  # fmt: skip
        case TemplateDeleted():
            await TEMPLATE_USES.remove(id, db)
            await db.execute("DELETE FROM session_templates WHERE id = $1", id)
        case _:
            assert_never(event)
