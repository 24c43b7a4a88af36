"""Results of templates, and reports about those that do not render. These templates need no child process."""

from contextlib import suppress
from typing import Any

import pytest
from contracts.refusals import Code, Refusal
from hypothesis import given
from hypothesis import strategies as st
from task_scheduler.prompts.rendering import MAX_NAMED, MAX_PROMPT_BYTES, check, render


def prompt(template: str, **variables: Any) -> str:
    return render(template, variables)[0]


def refusal(template: str, **variables: Any) -> Refusal:
    with pytest.raises(Refusal) as refused:
        render(template, variables)
    return refused.value


def missing(template: str, **variables: Any) -> str:
    refused = refusal(template, **variables)
    assert refused.code == Code.VARIABLES_MISSING
    return refused.detail.removeprefix("prompt_template: missing variables: ")


def invalid(template: str, **variables: Any) -> str:
    refused = refusal(template, **variables)
    assert refused.code == Code.TEMPLATE_INVALID
    return refused.detail.removeprefix("prompt_template: ")


def test_variables_replace_their_names() -> None:
    template = "Analyze {{ logs.app }} from {{date}}.{% for n in counts %} {{ n }}{% endfor %}\n"
    rendered = prompt(template, date="2026-11-26", logs={"app": "web"}, counts=[1, 2.5, None, True])
    assert rendered == "Analyze web from 2026-11-26. 1 2.5 None True\n"


def test_the_used_variables_are_those_given_and_referred_to() -> None:
    template = "{{ b }}{% if false %}{{ a }}{% endif %}{{ c | default(1) }}{% set d = 1 %}{{ d }}"
    assert render(template, {"b": 1, "a": 1, "d": 1, "e": 1})[1] == ["a", "b"]


@given(st.text(st.characters(exclude_characters="{}#\r\0", exclude_categories=["Cs"])))
def test_text_without_template_syntax_renders_to_itself(text: str) -> None:
    assert prompt(text) == text


def test_line_endings_become_newlines() -> None:
    assert prompt("a\r\nb\rc") == "a\nb\nc"


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_a_value_appears_as_it_is(value: str) -> None:
    assert prompt("<{{ value }}>", value=value) == f"<{value}>"


@pytest.mark.parametrize("value", ["{{ secret }}", "{% raw %}", "{# #}", "\u202egnp.exe", "<b>&amp;</b>", "%s {0}"])
def test_template_syntax_in_a_value_is_not_rendered(value: str) -> None:
    assert prompt("{{ value }}{{ [value] | join }}", value=value, secret="x") == value * 2


@pytest.mark.parametrize("character", ["\0", "\ud800"])
def test_a_prompt_that_cannot_be_stored_is_refused(character: str) -> None:
    assert invalid("{{ value }}", value=f"a{character}b").startswith("the prompt contains a NUL character or half")


USES = [
    "{{ x }}", "{{ x.y.z }}", "{{ x['y'] }}", "{{ x() }}", "{{ x ~ 'a' }}", "{{ x + 1 }}", "{{ 1 + x }}", "{{ -x }}",
    "{{ 2 ** x }}", "{{ 'a' * x }}", "{{ '%d' % x }}", "{{ x < 1 }}", "{{ x == 1 }}", "{{ 1 in x }}", "{{ not x }}",
    "{{ [x] }}", "{{ {x: 1} }}", "{{ range(x) }}", "{{ x | upper }}", "{{ x | int }}", "{{ x | float }}",
    "{{ x | length }}", "{{ x | tojson }}", "{{ {'a': [x]} | tojson }}", "{{ x | round }}", "{{ x | abs }}",
    "{{ x | join }}", "{{ x | first }}", "{{ x | pprint }}", "{% if x %}{% endif %}", "{% for y in x %}{% endfor %}",
    "{% for k, v in x | items %}{% endfor %}", "{% for k, v in x.items() %}{% endfor %}", "{{ 'a' if x else 'b' }}",
    "{% set y = x %}{{ y }}", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x) }}", "{{ 1 / x }}", "{{ 'a' | center(x) }}",
    "{{ x or 'a' }}", "{{ x.missing }}",
]  # fmt: skip


@pytest.mark.parametrize("template", USES)
def test_every_use_of_a_missing_variable_is_reported(template: str) -> None:
    assert missing(template) == "x"


NO_USES = [
    "{{ x | default('a') }}", "{{ x | default('a', true) }}", "{{ x.y | default('a') if x is defined else 'a' }}",
    "{% if x is defined %}{{ x }}{% endif %}a", "{{ 'a' if x is undefined else x }}",
    "{% if false %}{{ x }}{% endif %}a",
    "{% macro m() %}{{ x }}{% endmacro %}a", "{% set x = 'a' %}{{ x }}", "{% for x in ['a'] %}{{ x }}{% endfor %}",
    "{{ 'a' or x }}",
]  # fmt: skip


@pytest.mark.parametrize("template", NO_USES)
def test_a_missing_variable_that_is_not_needed_is_not_reported(template: str) -> None:
    assert prompt(template) == "a"


def test_all_missing_variables_are_reported_together() -> None:
    assert missing("{{ b }}{% for i in c %}{{ z }}{% endfor %}{{ a + 1 }}{{ 1 / b }}{{ given }}", given=1) == "a, b, c"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{{ user.name }}", "user.name"),
        ("{{ user['first name'].initial }}", "user.first name"),
        ("{{ list[2] }}", "list[2]"),
        ("{% for each in [user] %}{{ each.name }}{% endfor %}", "each.name"),
        ("{{ user.name }}{% if false %}{{ list.name }}{% endif %}", "name"),
    ],
)
def test_a_missing_attribute_is_reported_with_its_path(template: str, name: str) -> None:
    assert missing(template, user={}, list=[1]) == name


def test_many_missing_variables_are_named_in_part() -> None:
    names = missing("".join(f"{{{{ v{n:02} }}}}" for n in range(MAX_NAMED + 5)))
    assert names.endswith("v18, v19 and 5 more")


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("\n\n{{ }", "line 3: unexpected '}'"),
        ("{% foo %}", "line 1: Encountered unknown tag 'foo'"),
        ("\n{{ 1 | foo }}", "line 2: No filter named 'foo'"),
        ("\n{{ 1 / 0 }}", "line 2: division by zero"),
        ("{{ 'a' | center(1, 2, 3) }}", "line 1: center takes from 1 to 2 positional arguments but 4 were given"),
        ("{{ [] | first }}", "line 1: No first item, sequence was empty"),
        ("{{ 10 ** 5000 }}", "Exceeds the limit (4300 digits) for integer string conversion"),
        ("\n{% include 'a' %}", "line 2: 'include' is not available"),
        ("{% import 'a' as b %}", "line 1: 'import' is not available"),
        ("{% from 'a' import b %}", "line 1: 'from' is not available"),
        ("{% if false %}{% extends 'a' %}{% endif %}", "line 1: 'extends' is not available"),
    ],
)
def test_an_invalid_template_is_refused_with_line_and_reason(template: str, reason: str) -> None:
    assert invalid(template) == reason


def test_a_reason_is_short() -> None:
    assert len(invalid("{{ 1 | " + "a" * 10_000 + " }}")) < 250


def test_a_prompt_of_the_maximum_size_is_rendered() -> None:
    assert len(prompt("{{ text }}", text="x" * MAX_PROMPT_BYTES)) == MAX_PROMPT_BYTES


def test_a_prompt_over_the_maximum_size_is_refused() -> None:
    refused = refusal("{{ text }}a", text="ü" * (MAX_PROMPT_BYTES // 2))
    assert refused.code == Code.TEMPLATE_TOO_EXPENSIVE
    assert refused.detail == "prompt_template: the prompt has more than 262,144 bytes"


def test_a_rendering_leaves_nothing_for_the_next_one() -> None:
    template = "{% set n = namespace(x=x) %}{% macro m() %}{{ n.x }}{% endmacro %}{{ m() }}"
    assert [prompt(template, x=x) for x in (1, 2)] == ["1", "2"]
    assert missing("{{ x }}{{ n }}{{ m() }}") == "m, n, x"


def test_a_check_returns_the_undeclared_variables() -> None:
    template = "{% set a = b %}{{ a }}{{ c | default(1) }}{% if d is defined %}{{ range(e) }}{% endif %}"
    assert check(template) == ["b", "c", "d", "e"]


@pytest.mark.parametrize("template", ["{{ }", "{{ 1 | foo }}", "{{ 1 is foo }}", "{% include 'a' %}"])
def test_a_check_refuses_an_invalid_template(template: str) -> None:
    with pytest.raises(Refusal) as refused:
        check(template)
    assert refused.value.code == Code.TEMPLATE_INVALID


def test_a_check_refuses_blocks_that_are_nested_too_deeply() -> None:
    with pytest.raises(Refusal) as refused:
        check("{% for a in [1] %}" * 30 + "{% endfor %}" * 30)
    assert refused.value.code == Code.TEMPLATE_TOO_EXPENSIVE


PIECES = "{{ }} {% %} {# #} - if for in endfor set macro block raw else x . | upper ' ( ) [ ] = , : ~ is 1 self loop"


@given(st.lists(st.sampled_from([*PIECES.split(), " ", "\n"])).map("".join))
def test_every_template_is_rendered_or_refused(template: str) -> None:
    with suppress(Refusal):
        assert isinstance(prompt(template, x={"x": "x"}), str)
