"""A house with one room of each kind, that keeps every rule. The counter-examples break it, one thing each."""

COMMANDS = "libs/contracts/contracts/shop/commands.py"
EVENTS = "libs/contracts/contracts/shop/events.py"
QUERIES = "libs/contracts/contracts/shop/queries.py"
REFUSALS = "libs/contracts/contracts/refusals.py"
SHOP = "services/shop/shop"

PYPROJECT = """
[tool.importlinter]
root_packages = ["contracts", "gateway", "shop"]
contracts = [
    { id = "members", layers = ["gateway | shop", "contracts"] },
    { id = "gateway-rooms", exhaustive = true },
    { id = "shop-rooms", exhaustive = true },
]
"""

AGGREGATE = """
class Cart(Aggregate[CartFact]):
    def apply(self, fact: CartFact) -> None:
        match fact:
            case CartOpened():
                self.open = True
            case CartPaid():
                self.open = False
            case _:
                assert_never(fact)
"""

PROJECTIONS = """
async def project(recorded: Recorded[CartFact], db: Connection) -> None:
    match recorded.fact:
        case CartOpened() | CartPaid():
            pass
        case _:
            assert_never(recorded.fact)
"""

HANDLERS = """
@handles
async def open_cart(command: OpenCart, work: Work) -> None:
    raise Refusal(Code.CART_EXISTS, "There is one.")


@handles
async def pay(command: Pay, work: Work) -> Receipt: ...
"""

FILES = {
    "pyproject.toml": PYPROJECT,
    "libs/contracts/pyproject.toml": '[project]\nname = "agentapi-contracts"',
    "libs/contracts/contracts/__init__.py": "",
    REFUSALS: 'class Code(StrEnum):\n    CART_EXISTS = "CART_EXISTS"\n',
    COMMANDS: """
class OpenCart(Command[CartView]):
    subject = "cmd.shop.open_cart"

    def outcome(self) -> GetCart: ...


class Pay(Command[Receipt]):
    subject = "cmd.shop.pay"
""",
    EVENTS: """
class CartOpened(Event):
    subject = "evt.shop.cart_opened"


class CartPaid(Event):
    subject = "evt.shop.cart_paid"


type CartFact = CartOpened | CartPaid
""",
    QUERIES: """
class GetCart(Query[CartView]):
    subject = "qry.shop.get_cart"
""",
    "services/gateway/pyproject.toml": '[project]\nname = "agentapi-gateway"',
    **{f"services/gateway/gateway/{room}.py": "" for room in ("__init__", "__main__", "app", "settings", "auth")},
    "services/gateway/gateway/problems.py": "STATUS = {Code.CART_EXISTS: 409}",
    "services/gateway/gateway/routes/__init__.py": "",
    "services/gateway/gateway/routes/shop.py": "",
    "services/shop/pyproject.toml": '[project]\nname = "agentapi-shop"',
    "services/shop/migrations/0001_carts.sql": "",
    **{
        f"services/shop/tests/test_{subject}.py": ""
        for subject in ("aggregate", "handlers", "projections", "queries", "service")
    },
    **{f"{SHOP}/{room}.py": "" for room in ("__init__", "__main__", "settings", "tools")},
    f"{SHOP}/app.py": 'service = Service(name="shop")',
    f"{SHOP}/aggregate.py": AGGREGATE,
    f"{SHOP}/projections.py": PROJECTIONS,
    f"{SHOP}/handlers.py": HANDLERS,
    f"{SHOP}/queries.py": "@answers\nasync def get_cart(query: GetCart, context: Context) -> CartView: ...",
}
