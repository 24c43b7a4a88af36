"""An import contract of our own: import-linter can forbid what is named, this forbids everything that is not named."""

from typing import Any

import grimp
from importlinter import Contract, ContractCheck, fields, output
from importlinter.domain.helpers import module_expressions_to_modules


class AllowlistContract(Contract):
    """The `modules` import nothing but each other and the `allowed` packages; the standard library is no exception."""

    type_name = "allowlist"

    modules: Any = fields.SetField(subfield=fields.ModuleExpressionField())
    allowed: Any = fields.SetField(subfield=fields.StringField())

    def check(self, graph: grimp.ImportGraph, verbose: bool) -> ContractCheck:
        modules = {module.name for module in module_expressions_to_modules(graph, self.modules)}
        illegal = [
            f"{module} -> {imported}"
            for module in modules
            for imported in graph.find_modules_directly_imported_by(module) - modules
            if not self._allows(imported)
        ]
        return ContractCheck(kept=not illegal, metadata={"illegal": sorted(illegal)})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for line in check.metadata["illegal"]:
            output.print_error(f"- {line}", bold=False)

    def _allows(self, imported: str) -> bool:
        return any(imported == package or imported.startswith(f"{package}.") for package in self.allowed)
