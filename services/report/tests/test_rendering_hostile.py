"""Contents that try to do something in the report, or to make it too expensive."""

import re
from pathlib import Path
from typing import Any

import pytest
from contracts.task_scheduler.values import ReportFormat
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from report.rendering.markdown import MessageMarkdown
from report.rendering.markdown_text import fence, inline, quote
from report.rendering.render import render
from report.rendering.text import readable
from report.rendering.theme_files import load_theme

from services.report.tests.rendering import as_html, rendered, short_session, with_message
from services.report.tests.sample_content import message, session_content, session_section, tool_call

ELEMENTS = {"script", "style", "iframe", "object", "embed", "img", "link", "form", "input", "base", "video", "use"}

MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<style>@import url(http://evil.example/a.css);</style>",
    '<svg onload="alert(1)"><use href="http://evil.example/#a"/></svg>',
    "<iframe src=file:///etc/passwd></iframe>",
    '<link rel="stylesheet" href="http://evil.example">',
    "</pre></code></div></body><script>x</script>",
    "![pixel](http://evil.example/pixel.png)",
    "![x](data:image/svg+xml;base64,PHN2Zz4=)",
    "[click](javascript:alert(1))",
    "[click](data:text/html,<script>x</script>)",
    "[click](file:///etc/passwd)",
    "[click](JaVaScRiPt&colon;alert(1))",
    "<http://ok.example> <javascript:alert(1)>",
    "[a]: javascript:alert(1)\n\n[a]",
    "```html\n<script>x</script>\n```",
    '```"><script>x</script>\n```',
    "{{ 7 * 7 }} {% raw %}",
    "| <script>x</script> | b |\n|---|---|\n| ![](http://evil.example) | <b> |",
]

EXPENSIVE = [
    "\x00\x07\x1b[31mred\x1b[0m\x9b",
    "\ud800 \udfff \ufffe",
    "\u202egnp.exe\u202c \u2066x\u2069",
    "\u200b" * 20_000,
    "e" + "\u0301" * 20_000,
    "x" * 60_000,
    "[" * 20_000,
    "*a " * 10_000,
    "`" * 20_000,
    ">" * 5_000 + " x",
    "- " * 3_000 + "x",
    "".join("  " * n + "- x\n" for n in range(300)),
    "| a " * 2_000 + "|\n" + "|---" * 2_000 + "|\n" + "| b " * 2_000 + "|",
    "العربية עברית 中文 日本語 한국어 😀👩‍👩‍👧",
    "<" * 20_000,
    "$x_{y}$ \\begin{x}" * 500,
]


def elements(page: str) -> set[str]:
    return {
        name.lower()
        for name in re.findall(r"<([a-zA-Z]+)", re.sub(r'<svg.*?class="chart".*?</svg>', "", page, flags=re.S))
    }


@pytest.mark.parametrize("text", MARKUP)
def test_a_message_adds_no_element_that_acts(text: str) -> None:
    assert not elements(MessageMarkdown().html(text)) & (ELEMENTS | {"svg"})


@pytest.mark.parametrize("text", MARKUP)
def test_links_of_a_message_lead_to_the_web_or_a_mail(text: str) -> None:
    links = re.findall(r'(?:href|src)="([^"]*)"', MessageMarkdown().html(text))
    assert all(re.match(r"https?://|mailto:", link) for link in links)


@pytest.mark.parametrize("text", MARKUP)
def test_text_in_every_field_stays_text(text: str, tmp_path: Path) -> None:
    call = tool_call(text, 1, input={"command": text, text: [text]}, output=text, diff=text)
    run = session_section()["runs"][0] | {"query": text, "answer": text, "error_code": text, "error_detail": text}
    session = session_section(
        messages=[
            message("assistant", 1, text, call),
            message("user", 2, text, call | {"diff": None, "input": {text: text}}),
        ],
        runs=[run],
        tools=[{"name": text, "calls": 2, "errors": 1, "total_ms": 1}],
        models=[{"model": text, "messages": 1}],
        approvals=[{"tool_name": text, "status": "denied", "message": text, "at": run["started_at"]}],
        files_changed=[{"path": text, "writes": 1, "diff": text}],
        workspace=[{"path": text, "size_bytes": 1}],
    )
    page = as_html(session_content(session, title=text, created_for=text, notes=[text]), tmp_path)
    assert not elements(page) & ELEMENTS
    assert "onerror=alert" not in re.sub(r">[^<]*<", "><", page)


@pytest.mark.parametrize("kind", [pytest.param("pdf", marks=pytest.mark.layout), "html", "markdown", "json"])
def test_expensive_texts_are_rendered(kind: ReportFormat, tmp_path: Path) -> None:
    session = short_session()
    session["messages"] = [session["messages"][0] | {"text": text} for text in EXPENSIVE]
    session["runs"] = [session["runs"][0] | {"query": text, "answer": text} for text in EXPENSIVE]
    session["name"] = title = "x".join(EXPENSIVE)
    text, _ = rendered(session_content(session, title=title, include_metrics=False), kind, tmp_path)
    assert "begin{x}" in text


@pytest.mark.long
@pytest.mark.parametrize("kind", ["pdf", "html", "markdown", "json"])
@pytest.mark.parametrize("text", EXPENSIVE, ids=range(len(EXPENSIVE)))
def test_an_expensive_text_is_rendered(kind: ReportFormat, text: str, tmp_path: Path) -> None:
    session = with_message(text, session_section()) | {"name": text}
    assert rendered(session_content(session, title=text or "x"), kind, tmp_path)[0]


@pytest.mark.parametrize("text", MARKUP)
def test_the_markdown_format_has_no_html_and_no_image(text: str) -> None:
    everything = f"{quote(text)}\n\n{inline(text)}\n\n{fence(text)}\n\n| {inline(text)} |\n|---|\n"
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(everything)
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
    assert not kinds & {"html_block", "html_inline", "image"}


@pytest.mark.parametrize("text", ["```", "````\n```", "a\n`````b", "~~~"])
def test_a_fence_is_longer_than_any_run_of_backticks(text: str) -> None:
    [token] = MarkdownIt().parse(fence(text, "python"))
    assert token.content == f"{text}\n"


@given(st.text(alphabet=st.sampled_from("<>`*_[](){}!|#-+.~\\\n \t&;:ab1\"'="), max_size=60))
def test_no_text_becomes_html_in_markdown(text: str) -> None:
    tokens = MarkdownIt("commonmark", {"html": True}).enable("table").parse(f"{quote(text)}\n\n{inline(text)}\n")
    kinds = {child.type for token in tokens for child in (token, *(token.children or ()))}
    assert not kinds & {"html_block", "html_inline", "image"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00b\x08", "a\\x00b\\x08"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]8;;http://evil.example\x07link\x1b]8;;\x07", "link"),
        ("a\u202eb", "a[U+202E]b"),
        ("a" + "\u200b" * 9 + "b", "a[9 invisible characters]b"),
        ("e" + "\u0301" * 50, "e" + "\u0301" * 6),
        ("\ud800", "\ufffd"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("👩\u200d👩\u200d👧 \u200fعربي", "👩\u200d👩\u200d👧 \u200fعربي"),
    ],
)
def test_characters_that_deceive_become_visible(text: str, shown: str) -> None:
    assert readable(text) == shown


def test_ten_megabytes_of_output_are_cut_with_a_note(tmp_path: Path) -> None:
    call = tool_call("Bash", 1, input={"command": "yes"}, output="line\n" * 2_000_000)
    session = session_section(messages=[message("assistant", 1, "", call)])
    page, report = rendered(session_content(session, include_metrics=False), "html", tmp_path)
    assert len(page) < 1_000_000
    assert "Inputs, outputs and diffs of tool calls that are shortened: 1." in report.notes
    assert "more lines are left out" in page


def test_deeply_nested_input_is_cut(tmp_path: Path) -> None:
    value: Any = "deep"
    for _ in range(500):
        value = {"a": [value]}
    call = tool_call("Deep", 1, input=value)
    page = as_html(session_content(session_section(messages=[message("assistant", 1, "", call)])), tmp_path)
    assert "nested deeper" in page


def test_a_file_that_is_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    content = tmp_path / "content.json"
    content.write_text("[" * 200_000 + "]" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        render(content, "html", tmp_path / "x.html", load_theme(None))
