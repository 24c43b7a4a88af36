"""The house keeps its rules, and every rule notices when it is broken."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.architecture import columns, house, refusals, rules, sizes
from tests.architecture.rules import RULES, Rule
from tests.architecture.small_house import (
    BOX,
    CATALOGUE,
    COMMANDS,
    CONTRACTS,
    EVENTS,
    FILES,
    GATEWAY,
    MIGRATION,
    QUERIES,
    REFUSALS,
    SHOP,
    TESTS,
    Change,
    added,
    changed,
    removed,
)

AGGREGATE, HANDLERS, PROJECTIONS, DEPENDENCIES = (
    f"{SHOP}/{room}.py" for room in ("aggregate", "handlers", "projections", "dependencies")
)

QUERIES_ROOM = f"{SHOP}/queries/cart.py"

DEEP = """
def deep(carts):
    for cart in carts:
        if cart:
            pass
        elif carts:
            with cart:
                try:
                    while cart: ...
                finally:
                    pass
"""

WINDING = """
def fold(event):
    match event:
        case 1: ...
        case 2: ...
        case 3: ...
        case 4: ...
        case 5: ...
        case 6: ...
        case 7: ...
        case 8 if event: ...
        case _: {last}
"""

BROKEN: dict[Rule, list[tuple[Change, str]]] = {
    rules.every_service_has_the_same_rooms: [
        (removed(DEPENDENCIES), "shop/dependencies is missing"),
        (removed(f"{GATEWAY}/routes/shop.py"), "routes/shop is missing"),
        (removed(CONTRACTS), "contracts/shop is missing"),
        (removed(f"{TESTS}/test_handlers.py"), "test_handlers is missing"),
    ],
    rules.every_part_of_a_room_is_put_together: [
        (changed(f"{SHOP}/reactions/__init__.py", "cart.reactions", ""), "shop/reactions/cart.py: `reactions` is not"),
        (added(f"{SHOP}/reactions/till.py", "reactions: Reactions = Reactions()"), "till.py: `reactions` is not"),
    ],
    rules.the_box_knows_every_service: [
        (changed(CATALOGUE, "shop", "store"), "shop is not in contracts/catalogue.py"),
        (changed(BOX, "agentapi-shop", ""), "onebox does not depend on shop"),
    ],
    rules.every_metric_names_its_owner: [
        (
            added(DEPENDENCIES, "import prometheus_client\npaid = prometheus_client.Counter('paid', 'Carts')\n"),
            "dependencies.py:2 declares a metric without a registry",
        ),
    ],
    rules.migrations_are_numbered_without_a_gap: [
        (added(f"{SHOP}/migrations/0003_more.sql"), "shop/shop/migrations is not"),
        (removed(MIGRATION), "shop/shop/migrations is not"),
    ],
    rules.every_member_is_under_import_contracts: [
        (changed("pyproject.toml", "shop: ", "store: "), "shop has no line in the import contract"),
        (changed("pyproject.toml", "| shop", ""), "shop is not in importlinter's"),
        (changed("pyproject.toml", ', "shop"', ""), "shop is not in importlinter's"),
    ],
    rules.one_name_everywhere: [
        (changed("services/shop/pyproject.toml", "agentapi-", ""), "shop is distributed as shop"),
        (changed(f"{SHOP}/app.py", "shop", "store"), "shop calls itself something else"),
        (removed(f"{SHOP}/__init__.py"), "shop has no package shop"),
    ],
    rules.module_names_say_something: [
        (added(f"{SHOP}/date_utils.py"), "date_utils is no name"),
        (added("tests/helpers/waiting.py"), "tests/helpers/waiting is no name"),
    ],
    sizes.files_are_short: [
        (added(DEPENDENCIES, "x = 1\n" * 301), "dependencies.py has 301 lines"),
    ],
    sizes.functions_are_small: [
        (added(DEPENDENCIES, "def far():\n" + "    x = 1\n" * 40), "dependencies.py: far has 41 lines"),
        (added(DEPENDENCIES, "def many(a, b, c, d, *, e, f, g): ..."), "dependencies.py: many has 7 parameters"),
        (added(DEPENDENCIES, DEEP), "dependencies.py: deep has 4 levels of nesting"),
    ],
    sizes.folds_and_projections_are_simple: [
        (added(AGGREGATE, WINDING.format(last="pass")), "aggregate.py: fold has complexity 9"),
        (added(PROJECTIONS, WINDING.format(last="pass")), "projections.py: fold has complexity 9"),
    ],
    sizes.names_of_tests_are_short: [
        (added(f"{TESTS}/test_far.py", f"async def test_{'x' * 70}(): ..."), "has more than 70 characters"),
    ],
    sizes.complexity_is_never_excused: [
        (added(DEPENDENCIES, "def winding(): ...  # noqa: C901"), "dependencies.py excuses its complexity"),
    ],
    sizes.checks_are_seldom_silenced: [
        (added(DEPENDENCIES, "x = 1  # noqa: E741\n"), "checks are silenced in 1,000 lines"),
        (added(DEPENDENCIES, "# pyright: reportUnknownMemberType=false\n"), "checks are silenced in 1,000 lines"),
    ],
    rules.bans_are_lifted_where_the_house_says: [
        (added(DEPENDENCIES, "x = now()  # noqa: TID251"), "dependencies.py lifts a ban"),
        (added(DEPENDENCIES, "# ruff: noqa: S101, TID251"), "dependencies.py lifts a ban"),
    ],
    rules.reads_and_ownership_are_left_to_the_library: [
        (added(QUERIES_ROOM, "# ruff: noqa: S608"), "queries/cart.py puts SQL together"),
        (added(QUERIES_ROOM, 'PAGE = "SELECT id FROM carts LIMIT $1"'), "queries/cart.py pages in SQL"),
        (added(QUERIES_ROOM, 'PAGE = "SELECT id FROM carts OFFSET 20"'), "queries/cart.py pages in SQL"),
        (added(HANDLERS, "mine = work.actor.may_see(cart.user_id)"), "handlers.py compares owners"),
        (added(HANDLERS, "mine = work.actor.user_id == cart.payer"), "handlers.py compares owners"),
        (added(QUERIES_ROOM, 'mine = row["user_id"] != me'), "queries/cart.py compares owners"),
    ],
    rules.the_gateway_derives_ids: [
        (added(f"{GATEWAY}/routes/shop.py", "\nid = clock.new_id()"), "routes/shop.py does not take ids"),
        (added(f"{GATEWAY}/app.py", "\nfrom runtime.clock import new_id, now"), "app.py does not take ids"),
    ],
    rules.one_subject_one_class: [
        (changed(COMMANDS, "shop.pay", "shop.open_cart"), "cmd.shop.open_cart is the subject of 2"),
    ],
    rules.subjects_have_their_form: [
        (changed(COMMANDS, "cmd.shop.pay", "evt.shop.pay"), "Pay has the subject evt.shop.pay"),
        (changed(COMMANDS, "cmd.shop.pay", "cmd.store.pay"), "Pay has the subject cmd.store.pay"),
        (changed(COMMANDS, "Command[Receipt]", "Message"), "Pay has no base"),
    ],
    rules.every_command_and_query_has_one_handler: [
        (changed(HANDLERS, "@handles\nasync def pay", "async def pay"), "Pay has 0 handlers"),
        (changed(HANDLERS, "command: Pay", "command: OpenCart"), "OpenCart has 2 handlers"),
        (changed(QUERIES, "qry.shop", "qry.store"), "shop's get_cart takes GetCart, which is not sent there"),
    ],
    rules.every_command_and_query_is_sent: [
        (changed(f"{GATEWAY}/routes/shop.py", "OpenCart()", "OpenCart"), "no route sends OpenCart"),
        (changed(f"{GATEWAY}/routes/shop.py", "GetCart()", ""), "no route sends GetCart"),
    ],
    rules.handlers_give_what_the_contract_says: [
        (changed(HANDLERS, "-> None", "-> CartView"), "shop's open_cart is not `@handles` or does not give None"),
        (changed(HANDLERS, "-> Receipt", "-> None"), "shop's pay is not `@handles` or does not give Receipt"),
        (changed(QUERIES_ROOM, "@answers", "@handles"), "shop's get_cart is not `@answers`"),
    ],
    rules.handlers_lie_where_their_subject_does: [
        (added(f"{SHOP}/queries/basket.py", FILES[QUERIES_ROOM]), "get_cart lies in basket, its message in cart"),
    ],
    rules.every_event_is_an_event_of_one_aggregate: [
        (changed(EVENTS, " | CartRefunded", ""), "CartRefunded is an event of 0 aggregates"),
        (changed(EVENTS, " | PaymentEvent", ""), "CartPaid is an event of 0 aggregates"),
        (added(AGGREGATE, "class Bag(Aggregate[CartOpened]): ..."), "CartOpened is an event of 2 aggregates"),
    ],
    rules.every_event_is_folded: [
        (changed(AGGREGATE, "CartPaid()", "CartPaid(amount=0)"), "Cart.apply has no case for CartPaid"),
        (changed(AGGREGATE, "CartPaid()", "CartPaid() if event.amount"), "Cart.apply has no case for CartPaid"),
        (changed(AGGREGATE, "assert_never(event)", "pass"), "Cart.apply does not end in assert_never"),
    ],
    rules.every_event_is_projected: [
        (changed(PROJECTIONS, " | CartPaid()", ""), "shop's projection has no case for CartPaid"),
        (
            changed(PROJECTIONS, "assert_never(recorded.event)", "pass"),
            "shop's projection does not end in assert_never",
        ),
    ],
    refusals.projections_refuse_nothing: [
        (added(PROJECTIONS, 'raise Refusal(Code.CART_EXISTS, "There is one.")'), "projections.py refuses an event"),
        (added(PROJECTIONS, "await check_carts(recorded, db)"), "projections.py refuses an event"),
        (added(f"{SHOP}/constraints.py", "constrains = Constraints()"), "shop does not check its constraints"),
    ],
    columns.migrations_add_what_services_write: [
        (removed(MIGRATION), "shop/projections.py: no migration adds carts.id"),
        (changed(MIGRATION, "open bool", "shut bool"), "no migration adds carts.open"),
        (changed(MIGRATION, "COLUMN sum", "COLUMN total"), "no migration adds carts.sum"),
        (changed(MIGRATION, "COLUMN paid", "COLUMN owed"), "no migration adds carts.paid"),
        (changed(PROJECTIONS, "(id, open)", "(id, open, colour)"), "no migration adds carts.colour"),
    ],
    refusals.every_refusal_code_is_said_and_has_a_status: [
        (added(REFUSALS, '    CART_LOST = "CART_LOST"\n'), "nobody says CART_LOST"),
        (changed(f"{GATEWAY}/problems.py", "CART_EXISTS", "OTHER"), "the gateway does not know CART_EXISTS"),
    ],
}


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Generator[None]:  # pyright: ignore[reportUnusedFunction]
    yield
    house.forget()


def small_house(root: Path) -> Path:
    for path, text in FILES.items():
        write(root, (path, text))
    return root


def write(root: Path, change: Change) -> None:
    path, text = root / change[0], change[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink() if text is None else path.write_text(text)


def violations(root: Path) -> dict[str, list[str]]:
    return {rule.__name__: found for rule in RULES if (found := rule(root))}


def test_the_repository_keeps_all_rules() -> None:
    assert violations(house.ROOT) == {}


def test_the_sample_repository_keeps_all_rules(tmp_path: Path) -> None:
    assert violations(small_house(tmp_path)) == {}


def test_an_exhaustive_match_is_not_complex(tmp_path: Path) -> None:
    write(root := small_house(tmp_path), added(AGGREGATE, WINDING.format(last="assert_never(event)")))
    assert sizes.folds_and_projections_are_simple(root) == []


def test_every_rule_reports_its_violations(tmp_path: Path) -> None:
    examples = [(rule, change, complaint) for rule in RULES for change, complaint in BROKEN[rule]]
    unreported: list[str] = []
    for number, (rule, change, complaint) in enumerate(examples):
        write(root := small_house(tmp_path / str(number)), change)
        if not any(complaint in found for found in rule(root)):
            unreported.append(f"{rule.__name__} does not report: {complaint}")
    assert unreported == []
