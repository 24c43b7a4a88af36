"""All messages about session templates."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field

from contracts.messages import Command, Event, KeysetWindow, Page, Query, View
from contracts.samples import TEMPLATE, TIME, USER
from contracts.session.values import PartialSdkOptions, SdkOptions, TemplateMode

type Category = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,49}$")]

_SAMPLE = {
    "name": "DevOps Investigation Template",
    "description": "Pre-configured for infrastructure debugging",
    "category": "DEVOPS",
    "sdk_options": {"allowed_tools": ["Bash", "Read", "Write"], "permission_mode": "default"},
    "default_mode": "interactive",
    "is_public": False,
}


class TemplateSummary(View):
    """A template as an item of a list."""

    sample = {
        "id": TEMPLATE,
        "user_id": USER,
        **{name: value for name, value in _SAMPLE.items() if name != "sdk_options"},
        "usage_count": 3,
        "created_at": TIME,
        "updated_at": TIME,
    }

    id: UUID = Field(description="Id of the template.")
    user_id: UUID = Field(description="Id of the owner.")
    name: str = Field(description="Name of the template.")
    description: str = Field(description="What the template is for.")
    category: Category = Field(description="Category, for filters.")
    default_mode: TemplateMode = Field(description="Mode of sessions that do not name one.")
    is_public: bool = Field(description="Whether all users may read and use the template.")
    usage_count: int = Field(description="Number of sessions that were created from the template.")
    created_at: datetime = Field(description="Time of creation.")
    updated_at: datetime = Field(description="Time of the last change.")


class TemplateView(TemplateSummary):
    """A template with its options."""

    sample = TemplateSummary.sample | {"sdk_options": _SAMPLE["sdk_options"]}

    sdk_options: SdkOptions = Field(description="Options of the agent.")


class GetTemplate(Query[TemplateView]):
    """Return one template that the actor may read."""

    subject = "qry.session.get_template"
    sample = {"template_id": TEMPLATE}

    template_id: UUID


class ListTemplates(KeysetWindow, Query[Page[TemplateSummary]]):
    """Return the actor's own and the public templates, newest first; `q` is searched in name and description."""

    subject = "qry.session.list_templates"
    sample = {"category": "DEVOPS", "q": "debug"}

    category: str | None = None
    is_public: bool | None = None
    q: str | None = None


class CreateTemplate(Command[TemplateView]):
    """Create a template that belongs to the actor."""

    subject = "cmd.session.create_template"
    outcome_query = GetTemplate
    sample = {"template_id": TEMPLATE, **_SAMPLE}

    template_id: UUID
    name: str
    description: str
    category: Category
    sdk_options: SdkOptions
    default_mode: TemplateMode
    is_public: bool


class ChangeTemplate(Command[TemplateView]):
    """Change the fields of a template that are not None, and the options that are set."""

    subject = "cmd.session.change_template"
    outcome_query = GetTemplate
    sample = {"template_id": TEMPLATE, "name": "DevOps", "sdk_options": {"max_turns": 5}}

    template_id: UUID
    name: str | None = None
    description: str | None = None
    category: Category | None = None
    sdk_options: PartialSdkOptions | None = None
    default_mode: TemplateMode | None = None
    is_public: bool | None = None


class DeleteTemplate(Command[None]):
    """Delete a template; sessions created from it are not changed."""

    subject = "cmd.session.delete_template"
    sample = {"template_id": TEMPLATE}

    template_id: UUID


class TemplateCreated(Event):
    """A template was created."""

    subject = "evt.session.template_created"
    sample = {"user_id": USER, **_SAMPLE}

    user_id: UUID
    name: str
    description: str
    category: str
    sdk_options: SdkOptions
    default_mode: TemplateMode
    is_public: bool


class TemplateChanged(Event):
    """A template was changed; the event carries the new values of all fields."""

    subject = "evt.session.template_changed"
    sample = {"user_id": USER, **_SAMPLE}

    user_id: UUID
    name: str
    description: str
    category: str
    sdk_options: SdkOptions
    default_mode: TemplateMode
    is_public: bool


class TemplateDeleted(Event):
    """The template was deleted; sessions created from it remain."""

    subject = "evt.session.template_deleted"
    sample = {"user_id": USER}

    user_id: UUID


type TemplateEvent = TemplateCreated | TemplateChanged | TemplateDeleted
