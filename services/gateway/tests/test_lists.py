"""Lists: links, cursors and invalid parameters."""

from typing import Any, get_args

import httpx
import pytest
from contracts.messages import Page, Refused, View
from contracts.refusals import Code
from contracts.samples import MESSAGE, RUN, SESSION
from contracts.session.conversation import ListMessages
from contracts.session.session import ListSessions
from fastapi.routing import APIRoute
from gateway.app import ROUTERS
from gateway.schemas.base import ResponseModel
from gateway.schemas.lists import Links, ListPage

from services.gateway.tests import samples
from services.gateway.tests.cases import each
from services.gateway.tests.fake_services import OTHER, FakeServices

SESSIONS = "/api/v1/sessions"
MESSAGES = f"{SESSIONS}/{SESSION}/messages"


@pytest.fixture
async def listed(services: FakeServices) -> FakeServices:
    """Answer lists of sessions with full pages of 42 sessions."""

    def page(query: ListSessions) -> Page[Any]:
        number = max(0, min(query.limit, 42 - query.skip))
        return Page(items=[samples.session()] * number, total=42, more=True)

    await services.answer_with(ListSessions, page)
    return services


async def links(client: httpx.AsyncClient, query: str) -> dict[str, str | None]:
    response = await client.get(f"{SESSIONS}?{query}")
    assert response.status_code == 200, response.text
    return {name: link and link.removeprefix(f"{SESSIONS}?") for name, link in response.json()["links"].items()}


@each(
    ("query", "next_page", "previous_page"),
    [
        ("limit=20", "skip=20&limit=20", None),
        ("skip=20&limit=20", "skip=40&limit=20", "skip=0&limit=20"),
        ("skip=40&limit=20", None, "skip=20&limit=20"),
        ("skip=3&limit=5", "skip=8&limit=5", "skip=0&limit=3"),
        ("skip=9000&limit=20", None, "skip=22&limit=20"),
        ("limit=1&status=active", "skip=1&limit=1&status=active", None),
        (f"limit=1&after={OTHER}", f"limit=1&after={SESSION}", f"limit=1&before={SESSION}"),
        (f"limit=1&before={OTHER}&mode=forked",
         f"limit=1&after={SESSION}&mode=forked", f"limit=1&before={SESSION}&mode=forked"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("listed")
async def test_links_refer_to_the_adjacent_pages(
    client: httpx.AsyncClient, query: str, next_page: str | None, previous_page: str | None
):
    assert await links(client, query) == {"next": next_page, "prev": previous_page}


async def test_the_last_page_after_an_item_has_no_next(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=42))
    assert await links(client, f"after={OTHER}") == {"next": None, "prev": f"limit=100&before={SESSION}"}


async def test_the_first_page_before_an_item_has_no_prev(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()], total=42))
    assert await links(client, f"before={OTHER}") == {"next": f"limit=100&after={SESSION}", "prev": None}


async def test_beyond_the_maximum_skip_the_link_is_a_cursor(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Page(items=[samples.session()] * 10, total=20_000))
    assert (await links(client, "skip=10000&limit=10"))["next"] == f"limit=10&after={SESSION}"


@pytest.mark.usefixtures("services")
async def test_the_error_of_a_too_large_skip_suggests_a_cursor(client: httpx.AsyncClient):
    response = await client.get(f"{SESSIONS}?skip=10001")
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "skip"])
    assert "`after`" in response.json()["detail"]


async def test_a_cursor_reaches_the_service(client: httpx.AsyncClient, listed: FakeServices):
    await client.get(f"{SESSIONS}?before={OTHER}&limit=1")
    assert listed.received[-1][0] == ListSessions(before=OTHER, limit=1)


async def test_a_descending_list_of_messages_continues_after_the_last(
    client: httpx.AsyncClient, services: FakeServices
):
    await services.answer(ListMessages, Page(items=[samples.message()], total=10, more=True))
    parameters = {"order": "desc", "run_id": RUN, "limit": 1, "after": str(OTHER)}
    response = await client.get(MESSAGES, params=parameters)
    assert services.received[-1][0] == ListMessages.model_validate({"session_id": SESSION, **parameters})
    assert response.json()["links"]["next"] == f"{MESSAGES}?limit=1&after={MESSAGE}&run_id={RUN}&order=desc"


async def test_an_unknown_cursor_is_404(client: httpx.AsyncClient, services: FakeServices):
    await services.answer(ListSessions, Refused(code=Code.SESSION_NOT_FOUND, detail="There is no such item."))
    response = await client.get(f"{SESSIONS}?after={OTHER}")
    assert (response.status_code, response.json()["error_code"]) == (404, "SESSION_NOT_FOUND")


WRONG = [
    *("limit=0", "limit=101", "limit=x", "skip=-1", "skip=10001", f"skip={10**30}", "skip="),
    *("limit=1_0", "limit=+10", "skip=%201", "limit=1.0"),
    *("limit=1&limit=1", "q=a&q=b", "metadata.a=1&metadata.a=2"),
    *("status=other", "mode=other", "after=x", "before=x"),
    *(f"skip=1&after={OTHER}", f"after={OTHER}&before={OTHER}"),
]


@each("query", WRONG)
async def test_invalid_list_parameters_are_422(client: httpx.AsyncClient, query: str):
    response = await client.get(f"{SESSIONS}?{query}")
    assert (response.status_code, response.json()["errors"][0]["loc"][0]) == (422, "query")


async def test_a_repeated_query_parameter_is_named(client: httpx.AsyncClient):
    response = await client.get(f"{SESSIONS}?limit=1&skip=2&limit=3")
    assert response.json()["errors"] == [
        {"loc": ["query", "limit"], "msg": "Must be sent only once", "type": "repeated"}
    ]


@each(
    ("method", "path"),
    [
        ("GET", SESSIONS),
        ("GET", f"{SESSIONS}/{SESSION}"),
        ("POST", f"{SESSIONS}/{SESSION}/query"),
        ("GET", f"{SESSIONS}/{SESSION}/events"),
        ("GET", f"{SESSIONS}/{SESSION}/workspace/a"),
        ("GET", "/api/v1/auth/me"),
        ("POST", "/api/v1/auth/login"),
        ("GET", "/api/v1/session-templates"),
        ("GET", "/api/v1/approvals"),
    ],
)
async def test_an_unknown_query_parameter_is_422_and_names_it(client: httpx.AsyncClient, method: str, path: str):
    response = await client.request(method, path, params={"limti": "1"})
    assert (response.status_code, response.json()["errors"][0]["loc"]) == (422, ["query", "limti"])


def pages() -> dict[type[ListPage[Any]], tuple[type[ResponseModel], type[View]]]:
    """Return the pages of all operations, each with the model of its items, and the view that has their fields."""
    models: set[Any] = {
        route.response_model for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)
    }
    found = dict[type[ListPage[Any]], tuple[type[ResponseModel], type[View]]]()
    for page in (model for model in models if getattr(model, "is_list", False)):
        [item] = get_args(page.model_fields["items"].annotation)
        views = [each for each in (item.described_by, *item.__mro__[1:]) if each and issubclass(each, View)]
        found |= {page: (item, views[0])} if views else {}
    return found


def test_a_page_encodes_views_as_models_of_its_items() -> None:
    assert len(pages()) > 10
    for page, (item, kind) in pages().items():
        view, rest = kind.example(), {"total": 1, "skip": 0, "limit": 1, "links": Links(next=None, prev=None)}
        shown = page.model_construct(None, items=[view], **rest)
        assert shown.encoded() == page.model_construct(None, items=[item.of(view)], **rest).encoded(), page
