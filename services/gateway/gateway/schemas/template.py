"""Models of session templates."""

from typing import Annotated, Any
from uuid import UUID

from contracts.session.template import Category, ChangeTemplate, CreateTemplate, TemplateSummary, TemplateView
from contracts.session.values import TemplateMode
from pydantic import Field, StrictBool, StringConstraints

from gateway import ids
from gateway.schemas.base import (
    UNCHANGED,
    RequestBody,
    ResponseModel,
    pattern_rule,
    without_default,
)
from gateway.schemas.lists import KeysetWindow, ListPage, Words
from gateway.schemas.options import TemplateOptions

type Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
CATEGORY_RULE = pattern_rule(
    "Must be at most 50 upper-case letters, digits and underscores, beginning with a letter, like DEVOPS"
)
type Description = Annotated[str, StringConstraints(max_length=2_000)]

_FIELDS: dict[str, Any] = {name: value for name, value in CreateTemplate.sample.items() if name != "template_id"}


class NewTemplate(RequestBody):
    """A template to create."""

    sample = _FIELDS

    name: Annotated[Name, Field(description="Name of the template.")]
    description: Annotated[Description, Field(description="What the template is for.")] = ""
    category: Annotated[Category, CATEGORY_RULE, Field(description="Category, for filters.")] = "GENERAL"
    sdk_options: Annotated[
        TemplateOptions,
        Field(description="Options of the sessions that use the template.", json_schema_extra=without_default),
    ] = TemplateOptions()
    default_mode: Annotated[TemplateMode, Field(description="Mode of sessions that do not name one.")] = "interactive"
    is_public: Annotated[StrictBool, Field(description="Whether all users may read and use the template.")] = False

    def command(self) -> CreateTemplate:
        """Return the command."""
        return CreateTemplate(
            template_id=ids.new_id(), **{name: getattr(self, name) for name in type(self).model_fields}
        )


class TemplateChange(RequestBody):
    """The fields of a template to change; omitted fields stay as they are."""

    sample = {"name": "DevOps", "sdk_options": {"max_turns": 5, "model": None}}

    name: Annotated[Name, Field(description="New name.")] = UNCHANGED
    description: Annotated[Description, Field(description="New description.")] = UNCHANGED
    category: Annotated[Category, CATEGORY_RULE, Field(description="Category, for filters.")] = UNCHANGED
    sdk_options: Annotated[TemplateOptions, Field(description="Options to change.")] = UNCHANGED
    default_mode: Annotated[TemplateMode, Field(description="Mode of sessions that do not name one.")] = UNCHANGED
    is_public: Annotated[StrictBool, Field(description="Whether all users may read and use the template.")] = UNCHANGED

    def command(self, template_id: UUID) -> ChangeTemplate:
        """Return the command."""
        return ChangeTemplate(
            template_id=template_id, **{name: getattr(self, name) for name in type(self).model_fields}
        )


class TemplateWindow(KeysetWindow):
    """Query parameters of the list of templates."""

    category: Annotated[
        Category | None, Field(description="Return only templates of this category.", examples=["DEVOPS"])
    ] = None
    is_public: Annotated[
        bool | None, Field(description="Return only public, or only private, templates.", examples=[True])
    ] = None
    q: Annotated[
        Words | None,
        Field(
            min_length=1,
            max_length=200,
            description="Return only templates with this text in name or description.",
            examples=["debug"],
        ),
    ] = None


class Template(TemplateView, ResponseModel):
    """A template."""


class TemplateListed(TemplateSummary, ResponseModel):
    """A template in a list, without its options."""


class TemplatePage(ListPage[TemplateListed]):
    """Templates, newest first."""
