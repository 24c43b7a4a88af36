"""A house with one service, that keeps every rule; the counter-examples change one thing each."""

CONTRACTS = "libs/contracts/contracts/shop/__init__.py"
COMMANDS = "libs/contracts/contracts/shop/commands.py"
EVENTS = "libs/contracts/contracts/shop/events.py"
QUERIES = "libs/contracts/contracts/shop/cart.py"
REFUSALS = "libs/contracts/contracts/refusals.py"
SHOP = "services/shop/shop"
MIGRATION = f"{SHOP}/migrations/0001_carts.sql"
TESTS = "services/shop/tests"
GATEWAY = "services/gateway/gateway"
CATALOGUE = "libs/contracts/contracts/catalogue.py"
BOX = "libs/onebox/pyproject.toml"

FILES = {
    **{f"{SHOP}/{room}.py": "" for room in ("__init__", "__main__", "settings", "dependencies")},
    **{f"{TESTS}/test_{room}.py": "" for room in ("aggregate", "handlers", "projections", "queries", "service")},
    **{f"{GATEWAY}/{room}.py": "" for room in ("__init__", "__main__", "settings", "clients", "entry")},
    f"{GATEWAY}/app.py": "",
    f"{GATEWAY}/problems.py": "STATUS = {Code.CART_EXISTS: 409}",
    f"{GATEWAY}/routes/__init__.py": "",
    f"{GATEWAY}/routes/shop.py": "messages = [OpenCart(), Pay.model_validate({}), GetCart()]",
    MIGRATION: """
-- The carts.
CREATE TABLE carts (
    id   uuid PRIMARY KEY, -- the cart
    open bool NOT NULL CHECK (open IN (true, false))
);
ALTER TABLE carts
    ADD COLUMN paid bool,
    ADD COLUMN sum numeric(8, 2);
""",
    "services/shop/pyproject.toml": '[project]\nname = "agentapi-shop"',
    "services/gateway/pyproject.toml": '[project]\nname = "agentapi-gateway"',
    BOX: '[project]\nname = "agentapi-onebox"\ndependencies = ["agentapi-shop"]',
    "libs/onebox/onebox/__init__.py": "",
    CATALOGUE: 'EVENTS = {"shop": events_of(CartEvent)}',
    f"{SHOP}/reactions/__init__.py": "reactions = Reactions.merge(cart.reactions)",
    f"{SHOP}/reactions/cart.py": "reactions = Reactions()",
    "libs/contracts/pyproject.toml": '[project]\nname = "agentapi-contracts"',
    "libs/contracts/contracts/__init__.py": "",
    CONTRACTS: "",
    "pyproject.toml": """
[tool.importlinter]
root_packages = ["contracts", "gateway", "onebox", "shop"]
contracts = [
    { id = "members", layers = ["gateway | onebox | shop", "contracts"] },
    { id = "service-rooms", services = ["shop: aggregate | settings"] },
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


class CartRefunded(Event):
    subject = "evt.shop.cart_refunded"


PaymentEvent = CartPaid | CartRefunded
type CartEvent = CartOpened | PaymentEvent
""",
    QUERIES: """
class GetCart(Query[CartView]):
    subject = "qry.shop.get_cart"
""",
    f"{SHOP}/app.py": 'service = Service(name="shop")',
    f"{SHOP}/aggregate.py": """
class Paying:
    def apply_payment(self, event: PaymentEvent) -> None:
        match event:
            case CartPaid():
                self.open = False
            case CartRefunded():
                self.open = True
            case _:
                assert_never(event)


class Cart(Aggregate[CartEvent], Paying):
    def apply_opening(self, event: CartOpened) -> None:
        match event:
            case CartOpened():
                self.open = True
            case _:
                assert_never(event)
""",
    f"{SHOP}/projections.py": """
OPEN = "INSERT INTO carts AS c (id, open) VALUES ($1, true) ON CONFLICT (id) DO UPDATE SET open = c.open, sum = 0"
CLOSE = "UPDATE carts SET open = (SELECT false FROM carts), " f"paid = {True} WHERE id = $1"


async def project(recorded: Recorded[CartEvent], db: Connection) -> None:
    match recorded.event:
        case CartOpened() | CartPaid() | CartRefunded():
            pass
        case _:
            assert_never(recorded.event)
""",
    f"{SHOP}/handlers.py": """
@handles
async def open_cart(command: OpenCart, work: Work) -> None:
    raise Refusal(Code.CART_EXISTS, "There is one.")


@handles
async def pay(command: Pay, work: Work) -> Receipt: ...
""",
    f"{SHOP}/queries/__init__.py": "",
    f"{SHOP}/queries/cart.py": """
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
