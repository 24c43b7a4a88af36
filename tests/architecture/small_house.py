"""A house with one service, that keeps every rule; the counter-examples change one thing each."""

CONTRACTS = "libs/contracts/contracts/shop/__init__.py"
COMMANDS = "libs/contracts/contracts/shop/commands.py"
EVENTS = "libs/contracts/contracts/shop/events.py"
QUERIES = "libs/contracts/contracts/shop/queries.py"
REFUSALS = "libs/contracts/contracts/refusals.py"
SHOP = "services/shop/shop"
TESTS = "services/shop/tests"
GATEWAY = "services/gateway/gateway"

FILES = {
    **{f"{SHOP}/{room}.py": "" for room in ("__init__", "__main__", "settings", "tools")},
    **{f"{TESTS}/test_{room}.py": "" for room in ("aggregate", "handlers", "projections", "queries", "service")},
    **{f"{GATEWAY}/{room}.py": "" for room in ("__init__", "__main__", "app", "settings", "auth")},
    f"{GATEWAY}/problems.py": "STATUS = {Code.CART_EXISTS: 409}",
    f"{GATEWAY}/routes/__init__.py": "",
    f"{GATEWAY}/routes/shop.py": "",
    "services/shop/migrations/0001_carts.sql": "",
    "services/shop/pyproject.toml": '[project]\nname = "agentapi-shop"',
    "services/gateway/pyproject.toml": '[project]\nname = "agentapi-gateway"',
    "libs/contracts/pyproject.toml": '[project]\nname = "agentapi-contracts"',
    "libs/contracts/contracts/__init__.py": "",
    CONTRACTS: "",
    "pyproject.toml": """
[tool.importlinter]
root_packages = ["contracts", "gateway", "shop"]
contracts = [
    { id = "members", layers = ["gateway | shop", "contracts"] },
    { id = "gateway-rooms", exhaustive = true },
    { id = "shop-rooms", exhaustive = true },
]
""",
    REFUSALS: """
class Code(StrEnum):
    CART_EXISTS = "CART_EXISTS"
""",
    COMMANDS: """
class OpenCart(Command[CartView]):
    subject = "cmd.shop.open_cart"
    outcome_query = GetCart


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
    f"{SHOP}/app.py": 'service = Service(name="shop")',
    f"{SHOP}/aggregate.py": """
class Cart(Aggregate[CartFact]):
    def apply(self, fact: CartFact) -> None:
        match fact:
            case CartOpened():
                self.open = True
            case CartPaid():
                self.open = False
            case _:
                assert_never(fact)
""",
    f"{SHOP}/projections.py": """
async def project(recorded: Recorded[CartFact], db: Connection) -> None:
    match recorded.fact:
        case CartOpened() | CartPaid():
            pass
        case _:
            assert_never(recorded.fact)
""",
    f"{SHOP}/handlers.py": """
@handles
async def open_cart(command: OpenCart, work: Work) -> None:
    raise Refusal(Code.CART_EXISTS, "There is one.")


@handles
async def pay(command: Pay, work: Work) -> Receipt: ...
""",
    f"{SHOP}/queries.py": """
@answers
async def get_cart(query: GetCart, context: Context) -> CartView: ...
""",
}

type Change = tuple[str, str | None]


def added(path: str, text: str = "") -> Change:
    return path, FILES.get(path, "") + text


def removed(path: str) -> Change:
    return path, None


def changed(path: str, old: str, new: str) -> Change:
    return path, FILES[path].replace(old, new)
