"""An import contract of our own: all services have the same layers, and each has further rooms between them."""

from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields
from importlinter.contracts.layers import LayersContract

type Layers = list[set[str]]


class RoomsContract(Contract):
    """Each service has exactly the layers of the `spine`, and those of its own line, from the door inwards.

    `services` are lines such as `shop: app > handlers | till > aggregate | settings > prices`. A layer that names rooms
    of the spine is that layer, with more rooms; one before it lies directly above it. All others lie below the spine.
    """

    type_name = "rooms"

    spine: Any = fields.ListField(subfield=fields.StringField())
    services: Any = fields.ListField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        contracts = [self._layered(*line.split(": ")) for line in self.services]
        checks = [(contract, contract.check(graph, verbose)) for contract in contracts]
        return ContractCheck(kept=all(check.kept for _, check in checks), metadata={"checks": checks})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for contract, part in check.metadata["checks"]:
            if not part.kept:
                contract.render_broken_contract(part)

    def _layered(self, service: str, own: str) -> LayersContract:
        layers = merged([_rooms(layer) for layer in self.spine], [_rooms(layer) for layer in own.split(" > ")])
        options = {"layers": [" | ".join(sorted(layer)) for layer in layers], "containers": [service]}
        return LayersContract(f"rooms of {service}", self.session_options, options | {"exhaustive": "true"})


def merged(spine: Layers, own: Layers) -> Layers:
    """Return the layers of a service, from the door inwards."""
    found, waiting, rest = list[set[str]](), list[set[str]](), list(spine)
    for layer in own:
        place = next((index for index, shared in enumerate(rest) if layer & shared), None)
        if place is None:
            waiting.append(layer)
        else:
            found += [*rest[:place], *waiting, rest[place] | layer]
            waiting, rest = [], rest[place + 1 :]
    return [*found, *rest, *waiting]


def _rooms(layer: str) -> set[str]:
    return set(layer.split(" | "))
