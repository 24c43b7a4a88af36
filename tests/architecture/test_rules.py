"""The house keeps its rules, and every rule notices when it is broken."""

from pathlib import Path

import pytest

from tests.architecture import house, rules
from tests.architecture import small_house as small
from tests.architecture.rules import RULES, Rule
from tests.architecture.small_house import COMMANDS, EVENTS, FILES, QUERIES, REFUSALS, SHOP

GATEWAY = "services/gateway/gateway"

BROKEN: list[tuple[Rule, str, str | None, str]] = [
    (rules.every_service_has_the_same_rooms, f"{SHOP}/tools.py", None, "shop/tools is missing"),
    (rules.every_service_has_the_same_rooms, f"{GATEWAY}/routes/shop.py", None, "routes/shop is missing"),
    (rules.every_service_has_the_same_rooms, EVENTS, None, "contracts/shop/events is missing"),
    (rules.every_service_has_the_same_rooms, "services/shop/tests/test_handlers.py", None, "test_handlers is missing"),
    (
        rules.migrations_are_numbered_without_a_gap,
        "services/shop/migrations/0003_more.sql",
        "",
        "shop/migrations is not",
    ),
    (
        rules.every_member_is_under_import_contracts,
        "pyproject.toml",
        FILES["pyproject.toml"].replace("shop-rooms", "shop"),
        "shop has no exhaustive import contract",
    ),
    (
        rules.every_member_is_under_import_contracts,
        "libs/extra/pyproject.toml",
        '[project]\nname = "agentapi-extra"',
        "extra is not in importlinter's root_packages",
    ),
    (
        rules.one_name_everywhere,
        "services/shop/pyproject.toml",
        '[project]\nname = "shop"',
        "shop is distributed as shop",
    ),
    (rules.one_name_everywhere, f"{SHOP}/__init__.py", None, "shop has no package shop"),
    (rules.one_name_everywhere, f"{SHOP}/app.py", 'Service(name="store")', "shop calls itself something else"),
    (rules.module_names_say_something, f"{SHOP}/date_utils.py", "", "date_utils is no name"),
    (rules.module_names_say_something, "tests/helpers/waiting.py", "", "tests/helpers/waiting is no name"),
    (rules.files_are_short, f"{SHOP}/tools.py", "x = 1\n" * 301, "tools.py has 301 lines"),
    (rules.bans_are_lifted_where_the_house_says, f"{SHOP}/tools.py", "x = now()  # noqa: TID251", "lifts a ban"),
    (rules.bans_are_lifted_where_the_house_says, f"{SHOP}/tools.py", "x = now()  # noqa: S1, TID251", "lifts a ban"),
    (
        rules.one_subject_one_class,
        COMMANDS,
        FILES[COMMANDS].replace("shop.pay", "shop.open_cart"),
        "cmd.shop.open_cart is the subject of 2 classes",
    ),
    (
        rules.subjects_have_their_form,
        COMMANDS,
        FILES[COMMANDS].replace("cmd.shop.pay", "evt.shop.pay"),
        "Pay has the subject evt.shop.pay",
    ),
    (
        rules.subjects_have_their_form,
        COMMANDS,
        FILES[COMMANDS].replace("cmd.shop.pay", "cmd.store.pay"),
        "Pay has the subject cmd.store.pay",
    ),
    (
        rules.subjects_have_their_form,
        COMMANDS,
        FILES[COMMANDS].replace("Command[Receipt]", "Message"),
        "Pay has no base",
    ),
    (
        rules.every_command_and_query_has_one_handler,
        f"{SHOP}/handlers.py",
        small.HANDLERS.replace("@handles\nasync def pay", "async def pay"),
        "Pay has 0 handlers",
    ),
    (
        rules.every_command_and_query_has_one_handler,
        f"{SHOP}/handlers.py",
        small.HANDLERS.replace("command: Pay", "command: OpenCart"),
        "OpenCart has 2 handlers",
    ),
    (
        rules.every_command_and_query_has_one_handler,
        QUERIES,
        FILES[QUERIES].replace("qry.shop", "qry.store"),
        "shop's get_cart takes GetCart, which is not sent there",
    ),
    (
        rules.handlers_give_what_the_contract_says,
        f"{SHOP}/handlers.py",
        small.HANDLERS.replace("-> None", "-> CartView"),
        "shop's open_cart is not `@handles` or does not give None",
    ),
    (
        rules.handlers_give_what_the_contract_says,
        f"{SHOP}/handlers.py",
        small.HANDLERS.replace("-> Receipt", "-> None"),
        "shop's pay is not `@handles` or does not give Receipt",
    ),
    (
        rules.handlers_give_what_the_contract_says,
        f"{SHOP}/queries.py",
        FILES[f"{SHOP}/queries.py"].replace("@answers", "@handles"),
        "shop's get_cart is not `@answers`",
    ),
    (
        rules.every_event_is_a_fact_of_one_aggregate,
        EVENTS,
        FILES[EVENTS].replace("CartOpened | CartPaid", "CartOpened"),
        "CartPaid is a fact of 0 aggregates",
    ),
    (
        rules.every_event_is_a_fact_of_one_aggregate,
        f"{SHOP}/aggregate.py",
        small.AGGREGATE + "class Basket(Aggregate[CartOpened]): ...",
        "CartOpened is a fact of 2 aggregates",
    ),
    (
        rules.every_fact_is_folded,
        f"{SHOP}/aggregate.py",
        small.AGGREGATE.replace("CartPaid()", "CartPaid(amount=0)"),
        "Cart.apply has no case for CartPaid",
    ),
    (
        rules.every_fact_is_folded,
        f"{SHOP}/aggregate.py",
        small.AGGREGATE.replace("assert_never(fact)", "pass"),
        "Cart.apply does not end in assert_never",
    ),
    (
        rules.every_fact_is_projected,
        f"{SHOP}/projections.py",
        small.PROJECTIONS.replace(" | CartPaid()", ""),
        "shop's projection has no case for CartPaid",
    ),
    (
        rules.every_fact_is_projected,
        f"{SHOP}/projections.py",
        small.PROJECTIONS.replace("assert_never(recorded.fact)", "pass"),
        "shop's projection does not end in assert_never",
    ),
    (
        rules.every_refusal_code_is_said_and_has_a_status,
        REFUSALS,
        FILES[REFUSALS] + '    CART_LOST = "CART_LOST"\n',
        "nobody says CART_LOST",
    ),
    (
        rules.every_refusal_code_is_said_and_has_a_status,
        f"{GATEWAY}/problems.py",
        "",
        "the gateway does not know CART_EXISTS",
    ),
]


@pytest.fixture
def small_house(tmp_path: Path) -> Path:
    for path, text in FILES.items():
        _write(tmp_path / path, text)
    return tmp_path


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    assert rule(house.ROOT) == []


@pytest.mark.parametrize("rule", RULES)
def test_the_small_house_keeps_the_rule(rule: Rule, small_house: Path) -> None:
    assert rule(small_house) == []


@pytest.mark.parametrize(("rule", "path", "text", "complaint"), BROKEN)
def test_the_rule_notices(rule: Rule, path: str, text: str | None, complaint: str, small_house: Path) -> None:
    if text is None:
        (small_house / path).unlink()
    else:
        _write(small_house / path, text)
    assert [told for told in rule(small_house) if complaint in told]


def test_every_rule_has_a_counter_example() -> None:
    assert {broken[0] for broken in BROKEN} == set(RULES)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
