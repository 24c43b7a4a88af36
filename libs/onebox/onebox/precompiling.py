"""Compile the code that the system loads, next to it: `python -m onebox.precompiling`.

Otherwise the first start would do that, and every start of a system that root starts: its account may not write there.
"""

from contextlib import suppress
from importlib import import_module

from contracts.catalogue import SERVICES

from onebox.forking import LOADED_LATER, Preloading


def compile_all() -> None:
    """Load all modules, so that Python compiles them: last the one which says that all are (`account.LAST_LOADED`)."""
    for name in LOADED_LATER:
        with suppress(ImportError):  # the system starts without it, and reports that when it is needed
            import_module(name)
    preloading = Preloading(("gateway", *SERVICES, "simulator"))
    preloading.start()
    preloading.finish()


if __name__ == "__main__":
    compile_all()
