"""Imports at the start of a process."""

import gc
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def loading() -> Generator[None]:
    """Import modules inside of this context: garbage is not collected meanwhile, nor ever in what was imported.

    Modules live as long as their process. The collector would go through them again and again, which takes a fifth of
    the time to import them, and later stops a service for a tenth of a second each time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
