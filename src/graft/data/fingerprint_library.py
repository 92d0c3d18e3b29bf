"""Whose code it is: of Python, of an installed package, or of the user."""

import builtins
import sys
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any

_INSTALLED = ("site-packages", "dist-packages")
PYTHON = f"python {sys.version_info.major}.{sys.version_info.minor}"


@cache
def library_of(module: str | None) -> str | None:
    """The package that a module comes from, with its version; None for the user's own code.

    Graft's own modules count by their content too, as they change while Graft is worked on.
    """
    top = (module or "").partition(".")[0]
    if not module or top == "__main__":
        return None
    if top in sys.stdlib_module_names or module == builtins.__name__:
        return PYTHON
    if top == "graft":
        return f"graft {_version('graft-nlp') or ''} {_content(module)}"
    file = getattr(sys.modules.get(module), "__file__", None) or getattr(
        sys.modules.get(top), "__file__", None
    )
    if file is None or not any(folder in file for folder in _INSTALLED):
        return None
    return f"{top} {_version(top) or _version_by_module(top) or 'of unknown version'}"


def _content(module: str) -> str:
    from graft.data.fingerprint_files import file_digest

    file = getattr(sys.modules.get(module), "__file__", None)
    return "" if file is None else file_digest(file)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _version_by_module(top: str) -> str | None:
    """The version of the distribution that brings a module of another name."""
    names = _distributions().get(top)
    if names:
        return _version(names[0])
    found = getattr(sys.modules.get(top), "__version__", None)
    return None if found is None else str(found)


@cache
def _distributions() -> dict[str, list[str]]:
    return {top: list(names) for top, names in metadata.packages_distributions().items()}


def library_name(value: Any) -> tuple[str, str] | None:
    """Where an installed package has `value` under its own name: (package, name); else None."""
    module = getattr(value, "__module__", None)
    name = getattr(value, "__qualname__", None) or getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str):
        return None
    library = library_of(module)
    if library is None:
        return None
    found: Any = sys.modules.get(module)
    for attribute in name.split("."):
        found = getattr(found, attribute, None)
    return (library, f"{module}.{name}") if found is value else None


def library_module(module: ModuleType) -> str | None:
    """The package, with its version, that a module belongs to; None for the user's own."""
    return library_of(module.__name__)
