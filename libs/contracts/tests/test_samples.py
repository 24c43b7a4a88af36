"""The ids that examples of messages share, and the examples and descriptions of views."""

from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages

import contracts
from contracts import samples
from contracts.messages import View


def views(base: type[View] = View) -> Iterator[type[View]]:
    for module in walk_packages(contracts.__path__, "contracts."):
        import_module(module.name)
    for view in base.__subclasses__():
        if view.__module__.startswith("contracts."):
            yield view
            yield from views(view)


def test_sample_ids_are_distinct() -> None:
    ids = [value for name, value in vars(samples).items() if name.isupper() and name != "TIME"]
    assert len(set(ids)) == len(ids)


def test_every_view_has_a_valid_sample() -> None:
    assert len([view.example() for view in views()]) > 20


def test_every_field_of_a_view_is_described() -> None:
    fields = [(view, name, field) for view in views() for name, field in view.model_fields.items()]
    assert not [f"{view.__name__}.{name}" for view, name, field in fields if not field.description]
