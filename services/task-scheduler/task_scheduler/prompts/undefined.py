"""Values that a template uses and that are missing."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, NamedTuple, Self

from jinja2 import Undefined, utils


class MissingName(NamedTuple):
    """The name of a missing variable, or of a missing attribute or element of a variable that exists."""

    name: str
    is_attribute: bool


class RecordingUndefined(Undefined):
    """A missing value that records its use and acts as an empty one, so that one rendering finds all missing names.

    Asking whether it is defined does not count as use, nor does replacing it with the filter `default`.
    Subclass it for each rendering, with an empty set `_missing`. The sandbox hides this name from templates.
    """

    __slots__ = ()
    _missing: ClassVar[set[MissingName]]

    def _record(self, *_args: Any, **_kwargs: Any) -> Self:
        if self._undefined_hint:  # not a missing name, but what the sandbox forbids, or the first item of an empty list
            raise self._undefined_exception(self._undefined_hint)
        name = self._undefined_name if isinstance(self._undefined_name, str) else repr(self._undefined_name)
        self._missing.add(MissingName(name, is_attribute=self._undefined_obj is not utils.missing))
        return self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # Python asks which protocols an object supports
            raise AttributeError(name)
        return self._record()

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _record
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = __pos__ = __neg__ = __abs__ = _record
    __call__ = __getitem__ = __round__ = _record

    def __eq__(self, other: object) -> bool:
        self._record()
        return False

    __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __eq__

    def __bool__(self) -> Literal[False]:
        self._record()
        return False

    def _record_zero(self) -> int:
        self._record()
        return 0

    __int__ = __index__ = __len__ = __hash__ = _record_zero

    def __float__(self) -> float:
        self._record()
        return 0.0

    def __str__(self) -> str:
        self._record()
        return ""

    __repr__ = __str__

    def __iter__(self) -> Iterator[Any]:
        self._record()
        return iter(())
