"""Whose code it is: of Python, of an installed package, or of the user."""

import sys
import sysconfig
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

from graft.data.cache.files import VERSION
from graft.data.fingerprint.files import file_digest

_INSTALLED = {"site-packages", "dist-packages"}
PYTHON = f"python {sys.version_info.major}.{sys.version_info.minor}"


_known: dict[str, str | None] = {}


def library_of(module: str | None) -> str | None:
    """The package that a module comes from, with its version; None for the user's own code.

    The content of the module itself counts too, where it is source: a package may be worked on
    without being given another version each time. Nothing is imported, and it makes no difference
    what has been.
    """
    if not module:
        return None
    if module not in _known:
        found = _library_of(module)
        if found is None and module.partition(".")[0] not in sys.modules:
            return None  # it may be there later
        _known[module] = found
    return _known[module]


def _library_of(module: str) -> str | None:
    top, _, inner = module.partition(".")
    if top == "__main__":
        return None
    root = _root_of(top)
    if top in sys.stdlib_module_names and _is_of_python(root):
        return PYTHON
    file = _source_of(root, inner)
    if top == "graft":
        return f"graft {VERSION}{_content(file)}"
    if root is None or not _INSTALLED.intersection(Path(root).parts):
        return None
    return f"{top} {_version(top) or _version_by_module(top) or ''}{_content(file)}"


def _root_of(top: str) -> str | None:
    """The file of a package or module that stands in no other, loaded or not."""
    loaded = sys.modules.get(top)
    if loaded is not None:
        paths = [*getattr(loaded, "__path__", ())]
        file = getattr(loaded, "__file__", None)
    else:
        try:
            found = find_spec(top)
        except (ImportError, ValueError):
            return None
        if found is None:
            return None
        paths = [*(found.submodule_search_locations or ())]
        file = found.origin
    return file or next((str(Path(path) / "__init__.py") for path in paths), None)


def _source_of(root: str | None, inner: str) -> str | None:
    """The source of a module in the package whose own file is `root`; None where it has none."""
    if root is None or not inner:
        return root
    place = Path(root).parent.joinpath(*inner.split("."))
    files = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((str(file) for file in files if file.is_file()), None)


def _is_of_python(file: str | None) -> bool:
    """Whether a module that is named as one of Python's is it, and not a file beside a script."""
    if file is None or file in ("frozen", "built-in"):
        return True
    path = Path(file)
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return not _INSTALLED.intersection(path.parts) and any(
        path.is_relative_to(folder) for folder in own if folder
    )


def _content(file: str | None) -> str:
    is_source = file is not None and file.endswith(".py") and Path(file).is_file()
    return f" {file_digest(file)}" if is_source and file is not None else ""


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
    if not callable(value):
        return None
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
