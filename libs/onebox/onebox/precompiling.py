"""Compile the code that the system loads, next to it: `python -m onebox.precompiling`.

Otherwise the first start would do that, and every start of a system that root starts: its account may not write there.
"""

from importlib import import_module

from contracts.catalogue import SERVICES

from onebox.forking import LOADED_LATER, Preloading

if __name__ == "__main__":
    preloading = Preloading(("gateway", *SERVICES, "simulator"))
    preloading.start()
    preloading.finish()
    for name in LOADED_LATER:
        import_module(name)
