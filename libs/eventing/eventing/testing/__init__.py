"""Helpers for tests of event-sourced code."""

from runtime.testing import background, eventually

from eventing.testing.specification import Given, refused, replayed

__all__ = ["Given", "background", "eventually", "refused", "replayed"]
