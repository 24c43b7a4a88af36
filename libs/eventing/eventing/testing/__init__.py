"""What tests of event-sourced code need."""

from eventing.testing.specification import Given, replayed
from runtime.testing import eventually

__all__ = ["Given", "eventually", "replayed"]
