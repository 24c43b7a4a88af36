"""What is done about templates."""

from uuid import UUID

from contracts.refusals import Code, Refusal
from contracts.session.templates import (
    ChangeTemplate,
    CreateTemplate,
    DeleteTemplate,
    TemplateCreated,
)
from eventing.handling import Handlers
from eventing.store import Missing

from session.aggregate import SessionTemplate
from session.handlers.loading import Work
from session.handlers.options import check_options

handles = Handlers()


@handles
async def create_template(command: CreateTemplate, work: Work) -> None:
    """Make a template of the actor's."""
    check_options(command.sdk_options, work)
    template = SessionTemplate(command.template_id)
    fields = {name: getattr(command, name) for name in type(command).model_fields if name != "template_id"}
    template.create(TemplateCreated(user_id=work.actor.user_id, **fields))
    await work.save(template)


@handles
async def change_template(command: ChangeTemplate, work: Work) -> None:
    """Change a template."""
    template = await _own(command.template_id, work)
    if command.sdk_options:
        check_options(command.sdk_options, work)
    template.change(
        command.sdk_options,
        name=command.name,
        description=command.description,
        category=command.category,
        default_mode=command.default_mode,
        is_public=command.is_public,
    )
    await work.save(template)


@handles
async def delete_template(command: DeleteTemplate, work: Work) -> None:
    """Remove a template."""
    template = await _own(command.template_id, work)
    template.delete()
    await work.save(template)


async def readable(template_id: UUID, work: Work) -> SessionTemplate:
    """Load a template that the actor may read: an own one, or a public one; an admin may read all.

    Raises:
        Refusal: TEMPLATE_NOT_FOUND.
    """
    template = await _existing(template_id, work)
    if not (template.now.is_public or work.actor.may_see(template.owner)):
        raise _not_found(template_id)
    return template


async def _own(template_id: UUID, work: Work) -> SessionTemplate:
    # That a public one exists is no secret: there the answer is not 404, but whose it is.
    template = await readable(template_id, work)
    if not work.actor.may_see(template.owner):
        raise Refusal(Code.NOT_OWNER, f"Template {template_id} is public, but only its owner may change it.")
    return template


async def _existing(template_id: UUID, work: Work) -> SessionTemplate:
    try:
        template = await work.load(SessionTemplate, template_id)
    except Missing:
        raise _not_found(template_id) from None
    if template.deleted:
        raise _not_found(template_id)
    return template


def _not_found(template_id: UUID) -> Refusal:
    return Refusal(Code.TEMPLATE_NOT_FOUND, f"There is no template {template_id}.")
