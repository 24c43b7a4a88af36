"""What agents write is shown as Markdown, and whatever it contains, it does nothing else."""

import pytest
from playwright.async_api import expect
from simulator.testing import scripted

from tests.e2e.console.tab import Console
from tests.e2e.user import User

pytestmark = pytest.mark.asyncio(loop_scope="session")

TEXT = """## Result

**Two** of [the files](https://example.com/?a=1&b=2) differ:

| file | lines |
|:--|--:|
| `a.py` | 12 |

```python
def double(x):
    return 2 * x  # <b>
```
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


async def answered(console: Console, user: User, text: str) -> None:
    """Open a session with an answer."""
    session_id = user.create()
    user.ask(session_id, scripted({"text": text})).raise_for_status()
    await console.open(session_id)


async def test_an_answer_is_shown_as_markdown(console: Console, user: User) -> None:
    await answered(console, user, TEXT)
    answer = console.entries.last
    await expect(answer.get_by_role("heading", name="Result")).to_be_visible()
    await expect(answer.get_by_role("row").last.get_by_role("cell")).to_have_text(["a.py", "12"])
    await expect(answer.locator("strong")).to_have_text("Two")
    link = answer.get_by_role("link", name="the files")
    await expect(link).to_have_attribute("href", "https://example.com/?a=1&b=2")
    await expect(link).to_have_attribute("rel", "noopener noreferrer")
    await expect(answer.locator("pre .hljs-keyword")).to_have_text(["def", "return"])
    await expect(answer.locator("pre")).to_contain_text("return 2 * x  # <b>")


async def test_what_a_user_writes_is_shown_as_it_was_entered(console: Console, user: User) -> None:
    session_id = user.create()
    user.ask(session_id, f"**Not bold** {scripted({'text': '**Bold**'})}").raise_for_status()
    await console.open(session_id)
    await expect(console.entries.first).to_contain_text("**Not bold**")
    await expect(console.entries.last.locator("strong")).to_have_text("Bold")


async def test_markdown_is_rendered_while_it_streams(console: Console, user: User) -> None:
    await console.open(user.create())
    await console.ask(scripted({"text": "**half** and then the other half", "stall": 300}))
    await expect(console.entries.last.locator("strong")).to_have_text("half")
    await console.press("Cancel run")
    await expect(console.entries.nth(-2).locator("strong")).to_have_text("half")


async def test_hostile_markdown_neither_acts_nor_loads_anything(console: Console, user: User) -> None:
    elsewhere: list[str] = []
    console.page.on(
        "request", lambda sent: None if sent.url.startswith(console.base_url) else elsewhere.append(sent.url)
    )
    await answered(console, user, "\n\n".join([*HOSTILE, "the end"]))
    answer = console.entries.last
    await expect(answer).to_contain_text("the end")
    await expect(answer).to_contain_text(HOSTILE[0])
    log = console.page.get_by_role("log")
    assert await log.locator("img, script, svg, math, iframe, form, style, [onerror], [onclick]").count() == 0
    targets: list[str] = await log.locator("a[href]").evaluate_all("all => all.map(each => each.protocol + each.host)")
    assert set(targets) == {"https:example.com"}
    assert (elsewhere, await console.page.title()) == ([], "AI-Agent-API")


@pytest.mark.parametrize("text", NESTED, ids=range(len(NESTED)))
async def test_deeply_nested_text_can_be_read_to_its_end(console: Console, user: User, text: str) -> None:
    await answered(console, user, f"{text} the end")
    await console.press("Show all")  # lists contain only the beginning
    await expect(console.page.get_by_role("log")).to_contain_text("the end")


async def test_no_script_can_create_a_policy_for_markup(console: Console) -> None:
    for name in ("dompurify", "default", "another"):
        created = f"try {{ trustedTypes.createPolicy('{name}', {{}}); true }} catch {{ false }}"
        assert await console.page.evaluate(created) is False
    console.complaints.clear()  # the browser reports the attempts
