"""The journey of the picture in the README. `make picture` takes it."""

from collections.abc import Generator

import pytest
from onebox.testing.system import System
from playwright.async_api import Browser, expect
from simulator.testing import DONE, bash, calling, scripted

from tests.e2e.console.tab import PATIENCE, Console
from tests.e2e.user import User

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.long]

PATH = "/workspace/importer.py"
BEFORE = "def parse_amount(text):\n    try:\n        return float(text)\n    except ValueError:\n        return None\n"
AFTER = 'def parse_amount(text):\n    # A comma separates thousands.\n    return Decimal(text.replace(",", ""))\n'
FINDING = """The importer **skips every row** whose amount has a comma:

| file | rows | skipped |
|:--|--:|--:|
| `orders.csv` | 1,204 | 37 |
| `refunds.csv` | 88 | 2 |

`parse_amount` returns `None` for an amount like `1,250.00`. With this change, it returns the number:
"""
EDIT = calling(("Edit", {"file_path": PATH, "old_string": BEFORE, "new_string": AFTER}))


@pytest.fixture
def ada(console_system: System) -> Generator[User]:
    """Someone whose name is the same in each picture."""
    ada = User(console_system.base_url)
    ada.name, ada.email = "ada", "ada@example.com"
    with ada.http:
        ada.register()
        ada.log_in()
        yield ada


@pytest.fixture
def session_id(ada: User) -> str:
    """A session whose agent knows what to answer next."""
    for name in ("Upgrade the payment client", "Summarise open incidents", "Draft the release notes"):
        ada.http.post("/sessions", json={"name": name}).raise_for_status()
    options = {"allowed_tools": ["Bash", "Read"]}
    body = {"name": "Nightly import fails", "mode": "interactive", "sdk_options": options}
    session_id = ada.http.post("/sessions", json=body).raise_for_status().json()["id"]
    write = bash(f"printf '%s' '{BEFORE}' > importer.py")
    read = calling(("Read", {"file_path": PATH}))
    ada.ask(session_id, scripted(write, DONE, read, {"text": FINDING, **EDIT}, DONE)).raise_for_status()
    return session_id


async def test_an_answer_an_edit_and_its_approval_are_seen_at_once(
    browser: Browser, console_system: System, ada: User, session_id: str, request: pytest.FixtureRequest
) -> None:
    size = {"width": 1200, "height": 925}
    async with await browser.new_context(viewport=size, device_scale_factor=1.5) as context:  # pyright: ignore[reportArgumentType]
        context.set_default_timeout(PATIENCE)
        console = Console(await context.new_page(), console_system.base_url)
        await console.enter_as(ada)
        await console.open(session_id)
        await console.ask("The nightly import loses rows. Why?")
        await expect(console.status).to_have_text("waiting")
        shown = [
            *(console.page.get_by_role("link", name=name) for name in ("Tasks", "MCP servers", "Approvals 1 pending")),
            *(console.page.get_by_role("row", name="orders.csv"), console.tools.last.locator("ins").last),
            *(console.tools.last.locator(".remaining"), console.page.get_by_role("button", name="Approve")),
        ]
        for part in shown:
            await expect(part).to_be_in_viewport(ratio=1)
        assert console.complaints == []
        if path := request.config.getoption("--console-picture", default=None):
            await console.page.screenshot(path=path)
