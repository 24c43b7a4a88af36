"""What agents write is shown as Markdown, and whatever it contains, it does nothing else."""

import pytest

from tests.e2e.console.tab import Console

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = """## Result

**Two** of [the files](https://example.com/?a=1&b=2) differ:

| file | lines |
|:--|--:|
| `a.py` | 12 |
"""
BROKEN = "document.title='broken'"
HOSTILE = [
    f"<script>{BROKEN}</script>",
    f'<img src=x onerror="{BROKEN}">',
    f'<svg><style><img src=x onerror="{BROKEN}"></style></svg>',
    "<iframe src='https://example.com/'></iframe><form action='https://example.com/'><button>Approve</button></form>",
    f"[link](javascript:{BROKEN}) [link](JaVaScRiPt&colon;{BROKEN}) <javascript:{BROKEN}>",
    "[link](data:text/html,<script>1</script>) [link](#reset=token) [link](/docs) [link](//example.com)",
    f'![image](https://example.com/a.png) ![image](x"onerror="{BROKEN})',
    f"[a]: https://example.com/'onclick={BROKEN} \"'onclick={BROKEN}\"\n\n[link][a]",
    f'```"><img/src/onerror={BROKEN}>\ncode\n```',
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">',
]
NESTED = [">" * 9_000, "- " * 5_000, "*a " * 4_000 + "b*" * 2_000, "[" * 9_000, "> - " * 3_000]
SHOW = """async (text) => {
  const { colourCode, showMarkdown } = await import("/console/markdown.js");
  document.querySelector("#shown")?.remove();
  const main = document.body.appendChild(document.createElement("main"));
  main.id = "shown";
  showMarkdown(main, text);
  await colourCode(main);
  return main.textContent;
}"""
FOUND = """() => [...document.querySelectorAll("#shown :is(strong, h4, td, a)")].map((each) =>
  [each.localName, each.textContent, each.href, each.rel].filter(Boolean))"""
ACTIVE = """() => document.querySelectorAll(
  "#shown :is(img, script, svg, math, iframe, form, style, [onerror], [onclick])").length"""
TARGETS = "() => [...document.querySelectorAll('#shown a[href]')].map((each) => each.protocol + each.host)"


async def test_text_is_shown_as_markdown(modules: Console) -> None:
    await modules.page.evaluate(SHOW, TEXT)
    link = ["a", "the files", "https://example.com/?a=1&b=2", "noopener noreferrer"]
    expected = [["h4", "Result"], ["strong", "Two"], link, ["td", "a.py"], ["td", "12"]]
    assert await modules.page.evaluate(FOUND) == expected


async def test_hostile_markdown_neither_acts_nor_loads_anything(modules: Console) -> None:
    requests: list[str] = []
    modules.page.on("request", lambda sent: requests.append(sent.url))
    shown = await modules.page.evaluate(SHOW, "\n\n".join([*HOSTILE, "the end"]))
    assert HOSTILE[0] in shown
    assert "the end" in shown
    assert await modules.page.evaluate(ACTIVE) == 0
    assert set(await modules.page.evaluate(TARGETS)) == {"https:example.com"}
    assert await modules.page.title() == "AI-Agent-API"
    assert [url for url in requests if not url.startswith("http://localhost/console/")] == []


async def test_deeply_nested_text_is_shown_to_its_end(modules: Console) -> None:
    cut = [text[:9] for text in NESTED if "the end" not in await modules.page.evaluate(SHOW, f"{text} the end")]
    assert cut == []
