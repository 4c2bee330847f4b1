"""Packages that import what they export when it is first asked for, so that commands start fast."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_exports(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` (PEP 562) of a package: names that it exports, and the modules that define them."""

    def __getattr__(name: str) -> Any:  # noqa: N807 what it is to the package
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(modules[name]), name)
        setattr(import_module(package), name, found)
        return found

    return __getattr__
