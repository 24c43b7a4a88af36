"""Templates and values that attack the service: each ends within the limits, and the next one is rendered."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from contracts.refusals import Code, Refusal
from jinja2.filters import FILTERS
from onebox.testing.cases import every_case
from runtime.children.pool import ChildUnavailable
from task_scheduler.prompts.prompts import MAX_TEMPLATE_LENGTH, MAX_VARIABLES_BYTES, Prompts, Rendered

from .patient_prompts import patient_prompts

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("servers")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def prompts() -> AsyncGenerator[Prompts]:
    async with patient_prompts() as prompts:
        yield prompts


async def refusal(prompts: Prompts, template: str, variables: dict[str, Any] | None = None) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await prompts.render(template, variables or {})
    assert (await prompts.render("{{ x }}", {"x": 1})).text == "1"
    return refused.value


async def detail_of_refusal(prompts: Prompts, template: str) -> str:
    """Return the template and why it is refused, or nothing if it is rendered."""
    try:
        await prompts.render(template, {})
    except Refusal as refused:
        return f"{template}: {refused.detail}"
    return ""


def each(*templates: str, long: list[str]) -> pytest.MarkDecorator:
    """Return the parameter of a test of these templates, and of others that take the same path but more time."""
    others = [pytest.param(template, marks=pytest.mark.long) for template in long]
    return pytest.mark.parametrize("template", [*templates, *others], ids=lambda template: template[:20])


LOOPS = "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}"
BRANCHES = "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(50) }}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def hasty_prompts() -> AsyncGenerator[Prompts]:
    async with patient_prompts(cpu_seconds=0.2) as prompts:
        yield prompts


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unhurried_prompts() -> AsyncGenerator[Prompts]:
    """Let templates reach a limit that is not that of processor time, however slow the machine is."""
    async with patient_prompts(cpu_seconds=60) as prompts:
        yield prompts


@each(LOOPS, "{{ 9 ** (9 ** 9) }}", long=[BRANCHES, "{{ (10 ** 4000) ** (10 ** 5) % 7 }}"])
async def test_a_template_that_runs_for_ever_is_stopped(hasty_prompts: Prompts, template: str) -> None:
    refused = await refusal(hasty_prompts, template)
    assert refused.code == Code.TEMPLATE_TOO_EXPENSIVE
    assert refused.detail == "prompt_template: it used too much CPU time"


DOUBLING = "{% set ns = namespace(x='a' * 1000) %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}"
LARGE = [
    '{{ "a" | center(10**9) }}', '{{ "{:>1000000000}".format("a") }}', '{{ "%1000000000d" % 1 }}',
    "{{ (1,) * 10**8 }}", "{{ ''.join(['a' * 100000] * 10000) }}", "{{ 'a' | replace('', 'b' * 10**8) * 9 }}",
    "{{ 'a' | indent(10**9, true) }}",
]  # fmt: skip


@each('{{ "a" * 10**9 }}', DOUBLING, long=LARGE)
async def test_a_template_that_needs_much_memory_is_stopped(unhurried_prompts: Prompts, template: str) -> None:
    refused = await refusal(unhurried_prompts, template)
    assert refused.code == Code.TEMPLATE_TOO_EXPENSIVE
    assert refused.detail == "prompt_template: it used too much memory"


RECURSIVE = [
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "{% block a %}{{ self.a() }}{% endblock %}",
    "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{{ " + "(" * 40_000 + "1" + ")" * 40_000 + " }}", "{{ " + "[" * 90_000, "{{ " + "not " * 20_000 + "1 }}",
    "{% if 1 %}" * 8_000, "{% for a in [1] %}" * 30 + "{% endfor %}" * 30, "{{" * 50_000,
]  # fmt: skip
LONG_AND_RECURSIVE = [
    "{{ x" + ".a" * 40_000 + " }}", "{{ 1" + " + 1" * 20_000 + " }}", "{{ x" + "()" * 40_000 + " }}",
    "{{ 1" + "|abs" * 20_000 + " }}",
]  # fmt: skip


@each(*RECURSIVE, long=LONG_AND_RECURSIVE)
async def test_a_template_that_is_too_deep_is_refused(unhurried_prompts: Prompts, template: str) -> None:
    refused = await refusal(unhurried_prompts, template, {"x": 1})
    assert refused.code == Code.TEMPLATE_TOO_EXPENSIVE
    assert refused.detail == "prompt_template: it is nested or calls itself too deeply"


@every_case("template", ["{{ range(10**9) }}", "{{ range(10**30) }}", "{{ 1e308 | int * 1.0 * 10**400 }}"])
async def test_a_range_or_number_that_is_too_large_is_refused(prompts: Prompts, template: str) -> None:
    refused = await refusal(prompts, template)
    assert (refused.code, "number is too large" in refused.detail) == (Code.TEMPLATE_TOO_EXPENSIVE, True)


async def test_a_prompt_that_is_too_long_is_refused(prompts: Prompts) -> None:
    refused = await refusal(prompts, "{% for a in range(100000) %}{{ 'aaaa' }}{% endfor %}")
    assert refused.detail == "prompt_template: the prompt has more than 262,144 bytes"


LONG = [
    "{#" * 50_000, "{%" + " " * 99_990, "{{ '" + "\\'" * 49_000, "{{ " + "9" * 99_990 + " }}", "{% raw %}" * 10_000,
    "{{ ('<!--' * 50000) | striptags | length }}", "{{ ('<' * 10**6) | striptags }}",
    "{{ ('a@' * 10**5) | urlize | length }}", "{{ ('(' * 10**5 ~ 'www.a.de' ~ ')' * 10**5) | urlize | length }}",
    "{{ range(99999) | join | wordcount }}",
]  # fmt: skip
SLOW = [
    "{% if 0 %}" + "{% elif 0 %}" * 8_000 + "{% endif %}", "{{ 1" + "~1" * 45_000 + " }}",
    "{{ ('a ' * 100000) | urlize }}", "{{ ('a' * 10**6) | wordwrap(1) }}", "{{ ('www.' * 10**5) | urlize }}",
    "{{ range(99999) | map('string') | sort | unique | list | length }}", "{{ ('a' * 10**7) | title | length }}",
]  # fmt: skip


@each(*LONG, long=SLOW)
async def test_a_long_template_or_value_is_rendered_or_refused(prompts: Prompts, template: str) -> None:
    with suppress(Refusal):
        await prompts.render(template, {})
    assert (await prompts.render("{{ x }}", {"x": 1})).text == "1"


FORBIDDEN = [
    "{{ ''.__class__ }}", "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{{ '' | attr('__class__') }}",
    "{{ ''['__class__'] }}", "{{ '{0.__class__}'.format(1) }}", "{{ '{a.__class__}'.format_map({'a': 1}) }}",
    "{{ ('{0.__class__}' | attr('format'))(1) }}", "{{ [1] | map(attribute='__class__') | list }}",
    "{{ ['a'] | map('attr', '__class__') | list }}", "{{ [{}] | groupby('__class__') | list }}",
    "{{ [].append(1) }}", "{{ {}.update({1: 2}) }}", "{{ variables.update({1: 2}) }}", "{{ range.__init__ }}",
    "{{ cycler.__init__.__globals__.os.popen('id') }}", "{{ joiner.__init__ }}", "{{ namespace.__init__ }}",
    "{{ self._TemplateReference__context }}", "{{ self.__init__.__globals__ }}", "{{ dict.__subclasses__() }}",
    "{{ (1).__class__ }}", "{{ m._undefined_obj }}",
    "{% for a in [1] %}{{ loop._iterable.gi_frame }}{% endfor %}", "{{ ('a' for a in b).gi_frame }}",
]  # fmt: skip


@every_case("template", FORBIDDEN)
async def test_a_forbidden_construct_is_refused(prompts: Prompts, template: str) -> None:
    refused = await refusal(prompts, template, {"variables": {}})
    assert refused.code == Code.TEMPLATE_INVALID


@every_case("name", ["open", "os", "sys", "import", "__import__", "__builtins__", "lipsum", "eval", "config"])
async def test_nothing_gives_access_to_the_process(prompts: Prompts, name: str) -> None:
    refused = await refusal(prompts, f"{{{{ {name}('/etc/passwd') }}}}")
    assert refused.detail in {
        f"prompt_template: missing variables: {name}",
        "prompt_template: line 1: unexpected 'import'",
    }


async def test_every_filter_works_although_no_file_can_be_opened(prompts: Prompts) -> None:
    values = ("'<a>\\n'", "{'a': 1}", "1")
    templates = [f"{{{{ {value} | {name} }}}}" for name in FILTERS for value in values]
    details = [await detail_of_refusal(prompts, template) for template in templates]
    assert [detail for detail in details if "not available" in detail] == []  # some are refused for other reasons


async def test_what_needs_another_module_of_python_is_refused(prompts: Prompts) -> None:
    refused = await refusal(prompts, "{{ 'a'.encode('idna') }}")
    assert refused.detail == "prompt_template: line 1: it needs something that is not available"


async def test_a_template_that_is_too_long_is_refused(prompts: Prompts) -> None:
    assert (await prompts.render("a" * MAX_TEMPLATE_LENGTH, {})).text == "a" * MAX_TEMPLATE_LENGTH
    refused = await refusal(prompts, "a" * (MAX_TEMPLATE_LENGTH + 1))
    assert (refused.code, refused.detail) == (
        Code.TEMPLATE_TOO_EXPENSIVE,
        "prompt_template: more than 100,000 characters",
    )


async def test_variables_that_are_too_large_are_refused(prompts: Prompts) -> None:
    refused = await refusal(prompts, "a", {"a": "a" * MAX_VARIABLES_BYTES})
    assert (refused.code, refused.detail) == (
        Code.TEMPLATE_TOO_EXPENSIVE,
        "variables: more than 262,144 bytes of JSON",
    )


async def test_variables_that_are_too_deep_are_refused(prompts: Prompts) -> None:
    deep: Any = 1
    for _ in range(10_000):
        deep = [deep]
    refused = await refusal(prompts, "a", {"a": deep})
    assert (refused.code, refused.detail) == (Code.TEMPLATE_TOO_EXPENSIVE, "variables: more than 64 levels of nesting")


@every_case("value", ["\u202eabc", "a\ud800b", "a\0b", "{{ x }}", 10**400, float("inf"), None])
async def test_a_hostile_value_does_not_affect_others(prompts: Prompts, value: Any) -> None:
    rendered = await prompts.render("{{ a }}", {"a": "fine", "b": value})
    assert rendered == Rendered("fine", ["a"])


async def test_concurrent_renderings_do_not_mix(prompts: Prompts) -> None:
    template = "{% set n = namespace(x=x) %}{% for i in range(200) %}{% endfor %}{{ n.x }}"
    rendered = await asyncio.gather(*(prompts.render(template, {"x": number}) for number in range(80)))
    assert [each.text for each in rendered] == [str(number) for number in range(80)]


async def test_too_many_renderings_are_refused_for_a_while(prompts: Prompts) -> None:
    results = await asyncio.gather(*(prompts.render("a", {}) for _ in range(101)), return_exceptions=True)
    assert [type(result) for result in results] == [Rendered] * 100 + [ChildUnavailable]
