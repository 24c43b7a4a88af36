"""Rendering of a user's template. It runs in a child process, since a template may take any time and memory."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from contracts.refusals import Code, Refusal
from jinja2 import Template, TemplateSyntaxError, Undefined, nodes
from jinja2.filters import do_items
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment

from task_scheduler.prompts.undefined import MissingName, RecordingUndefined

FIELD = "prompt_template"
MISSING = "The template needs this variable"
MAX_PROMPT_BYTES = 256 * 1024
MAX_REASON_LENGTH = 200
MAX_NAMED = 20
"""Missing variables that a refusal names; it counts the rest."""

_LOADING = {nodes.Include: "include", nodes.Import: "import", nodes.FromImport: "from", nodes.Extends: "extends"}
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_FILTER_FUNCTION = re.compile(r"\b(?:sync_)?do_(\w+)\(\)")


def render(source: str, variables: dict[str, Any]) -> tuple[str, list[str]]:
    """Return the prompt, and the sorted names of the variables that the template refers to.

    Raises:
        Refusal: VARIABLES_MISSING, TEMPLATE_INVALID or TEMPLATE_TOO_EXPENSIVE.
    """
    environment = _Environment()
    with _refusals():
        tree = environment.parse_allowed(source)
        template = Template.from_code(environment, environment.compile(tree), environment.globals)
        used = find_undeclared_variables(tree) & variables.keys()
    try:
        with _refusals():
            prompt = _text(template, variables)
    except Refusal:
        # The empty values that stood in for missing ones are a likely reason of the failure.
        _check_missing(environment.missing, tree)
        raise
    _check_missing(environment.missing, tree)
    if _UNSTORABLE.search(prompt):
        raise Refusal(
            Code.TEMPLATE_INVALID, f"{FIELD}: the prompt contains a NUL character or half of a surrogate pair"
        )
    return prompt, sorted(used)


def check(source: str) -> list[str]:
    """Return the sorted names of the variables that a template refers to and does not set itself.

    Raises:
        Refusal: TEMPLATE_INVALID or TEMPLATE_TOO_EXPENSIVE.
    """
    environment = _Environment()
    with _refusals():
        tree = environment.parse_allowed(source)
        environment.compile(tree)  # finds blocks that are nested too deeply for Python
        return sorted(find_undeclared_variables(tree))


class _Environment(ImmutableSandboxedEnvironment):
    """The environment of one rendering: nothing that a template changes in it is left for the next one."""

    def __init__(self) -> None:
        self.missing: set[MissingName] = set()
        undefined = type("MissingValue", (RecordingUndefined,), {"_missing": self.missing})
        super().__init__(undefined=undefined, keep_trailing_newline=True, autoescape=False)
        del self.globals["lipsum"]  # random text
        self.filters["items"] = _items
        self.policies["json.dumps_kwargs"] = {"sort_keys": True, "default": _json_default}

    def parse_allowed(self, source: str) -> nodes.Template:
        """Return the parsed template, which loads no other one."""
        tree = self.parse(source)
        for node in tree.find_all(tuple(_LOADING)):
            raise TemplateSyntaxError(f"'{_LOADING[type(node)]}' is not available", node.lineno)
        return tree


def _items(value: Any) -> Any:
    # jinja2's own filter treats a missing value as an empty mapping without using it.
    return do_items(dict(value) if isinstance(value, Undefined) else value)


def _json_default(value: Any) -> str:
    if isinstance(value, Undefined):
        return str(value)
    raise TypeError(f"{type(value).__name__!r} cannot be converted to JSON")


def _text(template: Template, variables: dict[str, Any]) -> str:
    pieces: list[str] = []
    size = 0
    # Not template.generate(), which rewrites tracebacks: after a deep recursion that takes longer than rendering.
    for piece in template.root_render_func(template.new_context(variables)):
        size += len(piece.encode(errors="surrogatepass"))
        if size > MAX_PROMPT_BYTES:
            raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, f"{FIELD}: the prompt has more than {MAX_PROMPT_BYTES:,} bytes")
        pieces.append(piece)
    return "".join(pieces)


@contextmanager
def _refusals() -> Generator[None]:
    """Turn what a template causes into refusals. `MemoryError` is left to the child process, which ends."""
    try:
        yield
    except (Refusal, MemoryError):
        raise
    except TemplateSyntaxError as error:
        raise Refusal(Code.TEMPLATE_INVALID, f"{FIELD}: line {error.lineno}: {_reason(error)}") from None
    except (RecursionError, SyntaxError):  # Python nests blocks at most 20 deep
        raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, f"{FIELD}: it is nested or calls itself too deeply") from None
    except OverflowError as error:
        detail = f"{FIELD}: {_line(error)}a number is too large, or a range has more than {MAX_RANGE:,} items"
        raise Refusal(Code.TEMPLATE_TOO_EXPENSIVE, detail) from None
    except Exception as error:  # noqa: BLE001  templates call methods of strings, numbers, lists and so on
        raise Refusal(Code.TEMPLATE_INVALID, f"{FIELD}: {_line(error)}{_reason(error)}") from None


def _line(error: Exception) -> str:
    """Return "line 3: ", where the template caused the error, or nothing if it is unknown."""
    found, frame = "", error.__traceback__
    while frame:
        template = frame.tb_frame.f_globals.get("__jinja_template__")
        if isinstance(template, Template):
            found = f"line {template.get_corresponding_lineno(frame.tb_lineno)}: "
        frame = frame.tb_next
    return found


def _reason(error: Exception) -> str:
    if isinstance(error, OSError | ImportError):  # a codec, say, whose module cannot be loaded
        return "it needs something that is not available"
    text = error.message if isinstance(error, TemplateSyntaxError) else str(error).partition("; use sys.")[0]
    text = _FILTER_FUNCTION.sub(r"\1", (text or type(error).__name__).removesuffix("."))
    return _UNSTORABLE.sub("\ufffd", text)[:MAX_REASON_LENGTH]


def _check_missing(missing: set[MissingName], tree: nodes.Template) -> None:
    if not missing:
        return
    paths = _paths(tree)
    names = sorted({paths.get(each.name, each.name) if each.is_attribute else each.name for each in missing})
    rest = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    shown = [_UNSTORABLE.sub("\ufffd", name)[:MAX_REASON_LENGTH] for name in names[:MAX_NAMED]]
    errors = [{"loc": ["body", "variables", *name.split(".")], "msg": MISSING, "type": "missing"} for name in shown]
    detail = f"{FIELD}: missing variables: {', '.join(shown)}{rest}"
    raise Refusal(Code.VARIABLES_MISSING, detail, data={"errors": errors})


def _paths(tree: nodes.Template) -> dict[str, str]:
    """Return the attributes that the template reads from one place only, with the path to them: `user.name`."""
    found: dict[str, set[str]] = {}
    for node in tree.find_all((nodes.Getattr, nodes.Getitem)):
        if path := _path(node):
            name = node.attr if isinstance(node, nodes.Getattr) else node.arg.as_const()
            found.setdefault(name if isinstance(name, str) else repr(name), set()).add(path)
    return {name: paths.pop() for name, paths in found.items() if len(paths) == 1}


def _path(node: nodes.Node) -> str | None:
    match node:
        case nodes.Name(name=name):
            return name
        case nodes.Getattr(node=owner, attr=attr) if path := _path(owner):
            return f"{path}.{attr}"
        case nodes.Getitem(node=owner, arg=nodes.Const(value=value)) if path := _path(owner):
            return f"{path}.{value}" if isinstance(value, str) else f"{path}[{value!r}]"
        case _:
            return None
