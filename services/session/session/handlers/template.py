"""Handlers of commands about templates."""

from contracts.session.template import ChangeTemplate, CreateTemplate, DeleteTemplate, TemplateCreated
from eventing.handling import Handlers

from session.aggregate import SessionTemplate
from session.ceilings.options import check_options
from session.dependencies import Work

handles = Handlers()


@handles
async def create_template(command: CreateTemplate, work: Work) -> None:
    """Create a template for the actor."""
    check_options(command.sdk_options, work.actor.role, work.dependencies.ceilings)
    template = SessionTemplate(command.template_id)
    fields = {name: getattr(command, name) for name in type(command).model_fields if name != "template_id"}
    template.create(TemplateCreated(user_id=work.actor.user_id, **fields))
    await work.save(template)


@handles
async def change_template(command: ChangeTemplate, work: Work) -> None:
    """Change a template."""
    async with work.change(SessionTemplate, command.template_id) as template:
        if command.sdk_options:
            check_options(command.sdk_options, work.actor.role, work.dependencies.ceilings)
        template.change(
            command.sdk_options,
            name=command.name,
            description=command.description,
            category=command.category,
            default_mode=command.default_mode,
            is_public=command.is_public,
        )


@handles
async def delete_template(command: DeleteTemplate, work: Work) -> None:
    """Delete a template."""
    async with work.change(SessionTemplate, command.template_id) as template:
        template.delete()
