"""The program of the child processes that render. It gets a template, and variables or None if it only checks it."""

from typing import Any

from contracts.refusals import Refusal
from runtime.children.program import serve

from task_scheduler.prompts.rendering import check, render


def answer(request: Any) -> Any:
    """Return the prompt and the used variables, or the undeclared variables, or a refusal."""
    template, variables = request
    try:
        return ["answer", check(template) if variables is None else render(template, variables)]
    except Refusal as refusal:
        return ["refusal", [refusal.code, refusal.detail, refusal.data]]


if __name__ == "__main__":
    # jinja2 and Python import some modules when they are first needed, and later no file can be opened.
    answer(['{{ "a\\n" | wordwrap }}{{ a | tojson }}{{ a | pprint }}{{ "<a>" | striptags }}', {"a": {}}])
    answer(["{% invalid", None])
    serve(answer)
