"""Session templates, as clients see them."""

from typing import Annotated, Any
from uuid import UUID

from contracts.samples import TEMPLATE, TIME, USER
from contracts.session.template import Category, ChangeTemplate, CreateTemplate, TemplateSummary, TemplateView
from contracts.session.values import TemplateMode
from pydantic import Field, StrictBool, StringConstraints
from runtime import clock

from gateway.schemas.lists import KeysetWindow, PageShown
from gateway.schemas.options import TemplateOptions
from gateway.schemas.shown import UNCHANGED, Body, Shown, example, undefaulted

type Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
type Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
type Description = Annotated[str, StringConstraints(max_length=2_000)]

_FIELDS: dict[str, Any] = {name: value for name, value in CreateTemplate.sample.items() if name != "template_id"}


class NewTemplate(Body):
    """A template to be made."""

    model_config = example(_FIELDS)

    name: Name
    description: Description = ""
    category: Category = "GENERAL"
    sdk_options: Annotated[TemplateOptions, Field(json_schema_extra=undefaulted)] = TemplateOptions()
    default_mode: TemplateMode = "interactive"
    is_public: StrictBool = False

    def command(self) -> CreateTemplate:
        """Ask for the template."""
        return CreateTemplate(
            template_id=clock.new_id(), **{name: getattr(self, name) for name in type(self).model_fields}
        )


class TemplateChange(Body):
    """What is to be different in a template; what is left out stays."""

    model_config = example({"name": "DevOps", "sdk_options": {"max_turns": 5, "model": None}})

    name: Name = UNCHANGED
    description: Description = UNCHANGED
    category: Category = UNCHANGED
    sdk_options: TemplateOptions = UNCHANGED
    default_mode: TemplateMode = UNCHANGED
    is_public: StrictBool = UNCHANGED

    def command(self, template_id: UUID) -> ChangeTemplate:
        """Ask for the change."""
        return ChangeTemplate(
            template_id=template_id, **{name: getattr(self, name) for name in type(self).model_fields}
        )


class TemplateWindow(KeysetWindow):
    """Which templates are asked for."""

    category: Annotated[
        Category | None, Field(description="Give only templates of this category.", examples=["DEVOPS"])
    ] = None
    is_public: Annotated[
        bool | None, Field(description="Give only public templates, or only others.", examples=[True])
    ] = None
    q: Annotated[
        Words | None,
        Field(min_length=1, max_length=200, description="Look for this in name and description.", examples=["debug"]),
    ] = None


_TEMPLATE: dict[str, Any] = {
    "id": TEMPLATE,
    "user_id": USER,
    **_FIELDS,
    "usage_count": 3,
    "created_at": TIME,
    "updated_at": TIME,
}


_LISTED = {name: value for name, value in _TEMPLATE.items() if name != "sdk_options"}


class Template(TemplateView, Shown):
    """A template."""

    model_config = example(_TEMPLATE)


class TemplateListed(TemplateSummary, Shown):
    """A template in a list: without its options."""

    model_config = example(_LISTED)


class TemplatePage(PageShown[TemplateListed]):
    """Templates, newest first."""
