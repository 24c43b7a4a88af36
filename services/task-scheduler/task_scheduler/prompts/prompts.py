"""Prompts, rendered from templates of users without trusting these."""

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from contracts.refusals import Code, Refusal
from runtime.children.pool import ChildPool, LimitExceeded, Limits
from runtime.nesting import MAX_DEPTH, too_deep

MAX_TEMPLATE_LENGTH = 100_000
MAX_VARIABLES_BYTES = 256 * 1024


@dataclass(frozen=True)
class Rendered:
    """A prompt, and the names of the given variables that its template refers to, sorted."""

    text: str
    used: list[str]


class Prompts:
    """Renders templates in child processes, so that none can block the service or read its memory."""

    def __init__(self, pool: ChildPool) -> None:
        self._pool = pool

    @classmethod
    @asynccontextmanager
    async def open(cls) -> "AsyncGenerator[Prompts]":
        """Provide the child processes, which start with the first template; end them on exit."""
        async with ChildPool.open(Path(__file__).with_name("child.py"), Limits(), on_demand=True) as pool:
            yield cls(pool)

    async def render(self, template: str, variables: dict[str, Any], user_id: UUID | None = None) -> Rendered:
        """Return the prompt of a template with these JSON values as variables.

        Users take turns: templates of one that take long do not hold up those of others.

        Raises:
            Refusal: VARIABLES_MISSING names all variables that were needed and are missing; TEMPLATE_INVALID says what
                is wrong with the template, and in which line; TEMPLATE_TOO_EXPENSIVE which limit was exceeded.
            ChildUnavailable: too many templates are being rendered; try again later.
        """
        if too_deep(variables):
            raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, f"variables: more than {MAX_DEPTH} levels of nesting")
        if len(json.dumps(variables)) > MAX_VARIABLES_BYTES:
            raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, f"variables: more than {MAX_VARIABLES_BYTES:,} bytes of JSON")
        text, used = await self._ask(template, variables, user_id)
        return Rendered(text, used)

    async def check(self, template: str, user_id: UUID | None = None) -> list[str]:
        """Return the sorted names of the variables that a template refers to, also those with a default.

        Raises:
            Refusal: TEMPLATE_INVALID or TEMPLATE_TOO_EXPENSIVE, as `render` does.
            ChildUnavailable: too many templates are being rendered; try again later.
        """
        return await self._ask(template, None, user_id)

    async def _ask(self, template: str, variables: dict[str, Any] | None, user_id: UUID | None) -> Any:
        if len(template) > MAX_TEMPLATE_LENGTH:
            detail = f"prompt_template: more than {MAX_TEMPLATE_LENGTH:,} characters"
            raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, detail)
        try:
            kind, answer = await self._pool.run([template, variables], key=user_id)
        except LimitExceeded as error:
            raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, f"prompt_template: {error}") from None
        if kind == "refusal":
            code, detail, data = answer
            raise Refusal(Code(code), detail, data=data)
        return answer
