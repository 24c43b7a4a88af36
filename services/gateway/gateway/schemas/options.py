"""How an agent is to run, as clients may ask for it: stricter than what is stored, as facts outlive rules."""

import re
from typing import Annotated

from contracts.session.tools import KNOWN_TOOLS
from contracts.session.values import SdkOptions
from pydantic import AfterValidator, Field

WRITTEN = re.compile(r"(?P<name>[A-Za-z]+)(\(.+\))?|mcp__[\w-]+", re.DOTALL)


def _known(tool: str) -> str:
    found = WRITTEN.fullmatch(tool)
    if not found or (found["name"] and found["name"] not in KNOWN_TOOLS):
        raise ValueError(f"there is no tool {tool[:100]!r}")
    return tool


Tools = Annotated[
    list[Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_known)]], Field(max_length=200)
]


class Options(SdkOptions):
    """What a client names, and nothing else, overrides what was there before; a null takes it back to the default."""

    allowed_tools: Tools | None = None
    disallowed_tools: Tools | None = None


class TemplateOptions(Options):
    """The options of a template."""
