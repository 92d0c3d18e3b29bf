"""What functions, classes and modules are made of: their code, and the names that it looks up."""

import builtins
import dis
import functools
import importlib
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any, cast

from graft.data.fingerprint.library import PYTHON, library_module, library_of
from graft.data.fingerprint.walk import Walk, Writer

# What a class has whatever it is for, and what tells where it stands in a file.
_NOT_OF_A_CLASS = {
    "__dict__",
    "__weakref__",
    "__module__",
    "__qualname__",
    "__doc__",
    "__annotate__",
    "__annotate_func__",
    "__firstlineno__",
    "__static_attributes__",
    "__parameters__",
    "__abstractmethods__",
    "_abc_impl",
}
_OF_ENUMS = {"_member_map_", "_value2member_map_", "_member_names_", "_unhashable_values_"}
_OF_ENUMS |= {"_hashable_values_", "_unhashable_values_map_"}
_ATTRIBUTES = {"LOAD_ATTR", "LOAD_METHOD"}
_NAMES = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}
_MISSING = object()

_Chain = tuple[str, ...]


def write_node(walk: Walk, node: Any, name: str) -> None:
    """Writes the pieces of a node."""
    if isinstance(node, FunctionType):
        _write_function(walk, node, name)
    elif isinstance(node, type):
        _write_class(walk, node, name)
    elif isinstance(node, ModuleType):
        for attribute, value in sorted(vars(node).items()):
            if not attribute.startswith("__"):
                with walk.writing(f"{attribute} of {name}") as writer:
                    _write_found(writer, value)
    else:
        from graft.data.fingerprint.objects import write_state

        write_state(walk, node, name)


def _write_function(walk: Walk, fn: FunctionType, name: str) -> None:
    library = library_of(fn.__globals__.get("__name__"))
    with walk.writing(f"code of {name}") as writer:
        if library is None:
            write_code(writer, fn.__code__)
        else:
            writer.text("library", f"{library} {fn.__code__.co_qualname}")
    if _is_single_dispatch(fn):
        registry = cast(Any, fn).registry
        for kind in sorted(registry, key=lambda kind: f"{kind.__module__}.{kind.__qualname__}"):
            walk.add(f"{name} for {kind.__qualname__}", registry[kind])
        return
    _write_defaults(walk, fn, name)
    for variable, cell in zip(fn.__code__.co_freevars, fn.__closure__ or (), strict=True):
        with walk.writing(
            f"captured variable {variable} of {name}",
            f"captured variable {variable!r} of function {name}",
        ) as writer:
            try:
                value = cell.cell_contents
            except ValueError:
                writer.text("empty", variable)
            else:
                _write_found(writer, value)
    for attribute, value in sorted(vars(fn).items()):
        walk.add(f"attribute {attribute} of {name}", value)
    if library is None:
        _write_globals(walk, fn, name)


def _is_single_dispatch(fn: FunctionType) -> bool:
    return fn.__globals__ is vars(functools) and hasattr(fn, "registry")


def _write_defaults(walk: Walk, fn: FunctionType, name: str) -> None:
    code = fn.__code__
    given = fn.__defaults__ or ()
    arguments = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(arguments[len(arguments) - len(given) :], given, strict=True))
    for argument, value in {**defaults, **(fn.__kwdefaults__ or {})}.items():
        walk.add(f"default of {argument} of {name}", value)


def write_code(writer: Writer, code: CodeType) -> None:
    """Writes what code does: nothing of where it stands, nor of what its file is called."""
    counts = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    writer.text("code", f"{PYTHON} {counts}")
    writer.put("bytes", code.co_code)
    writer.put("exceptions", code.co_exceptiontable)
    for names in (code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars):
        writer.value(names)
    writer.text("constants", str(len(code.co_consts)))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            writer.text("inner", constant.co_name)
            write_code(writer, constant)
        else:
            writer.value(constant)


def _write_globals(walk: Walk, fn: FunctionType, name: str) -> None:
    """A piece for each global name that the code, or code inside it, looks up."""
    found: dict[str, set[_Chain]] = {}
    for chain in _lookups(fn.__code__):
        found.setdefault(chain[0], set()).add(chain[1:])
    for variable in sorted(found):
        value = fn.__globals__.get(variable, _MISSING)
        if variable.startswith("__") and variable.endswith("__"):
            continue  # __name__ and __file__ are where it stands
        with walk.writing(
            f"global {variable} of {name}", f"global variable {variable!r} of function {name}"
        ) as writer:
            if value is _MISSING:
                kind = "builtin" if hasattr(builtins, variable) else "undefined"
                writer.text(kind, variable)
            else:
                for chain in sorted(found[variable]):
                    _write_chain(writer, value, chain)
    for module, names in sorted(set(_imports(fn.__code__))):
        with walk.writing(
            f"import of {module} {' '.join(names)} in {name}".replace("  ", " "),
            f"import of {module!r} in function {name}",
        ) as writer:
            _write_import(writer, module, names, str(fn.__globals__.get("__package__") or ""))


def _lookups(code: CodeType) -> Iterator[_Chain]:
    """Global names with the attributes that are read from them at once: `("np", "random")`."""
    chain: list[str] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname in _ATTRIBUTES and chain:
            chain.append(str(instruction.argval))
            continue
        if chain:
            yield tuple(chain)
        chain = [str(instruction.argval)] if instruction.opname in _NAMES else []
    if chain:
        yield tuple(chain)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lookups(constant)


def _imports(code: CodeType) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Modules that the code imports when it runs, with the names that it takes from them."""
    before: list[Any] = []
    for instruction in dis.get_instructions(code):
        if instruction.opname == "IMPORT_NAME":
            level, names = before[-2], before[-1]
            yield "." * level + str(instruction.argval), tuple(names or ())
        if instruction.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
            before = [*before[-1:], instruction.argval]
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _imports(constant)


def _write_import(writer: Writer, module: str, names: tuple[str, ...], package: str) -> None:
    if not module.startswith(".") and (library := library_of(module)) is not None:
        writer.text("library", f"{library} {module}")
        return
    try:
        found = importlib.import_module(module, package or None)
    except ImportError:
        writer.text("missing", module)
        return
    if names and "*" not in names:
        for name in names:
            _write_chain(writer, found, (name,))
    else:
        _write_found(writer, found)


def _write_chain(writer: Writer, value: Any, attributes: _Chain) -> None:
    """A global and the attributes read from it: modules are followed, other values are whole."""
    for position, attribute in enumerate(attributes):
        if not isinstance(value, ModuleType):
            break
        library = library_module(value)
        if library is not None:
            dotted = ".".join((value.__name__, *attributes[position:]))
            writer.text("library", f"{library} {dotted}")
            return
        module = value
        value = getattr(value, attribute, _MISSING)
        if value is _MISSING:
            value = sys.modules.get(f"{module.__name__}.{attribute}", _MISSING)
        if value is _MISSING:
            writer.text("undefined", attribute)
            return
    _write_found(writer, value)


def _write_found(writer: Writer, value: Any) -> None:
    if isinstance(value, ModuleType):
        library = library_module(value)
        if library is not None:
            writer.text("library", f"{library} {value.__name__}")
        else:
            writer.node(value)
    else:
        writer.value(value)


def _write_class(walk: Walk, cls: type, name: str) -> None:
    is_enum = "_member_map_" in vars(cls)
    with walk.writing(f"class {name}") as writer:
        writer.value([type(cls), *cls.__bases__])
        if is_enum:
            members = vars(cls)["_member_map_"]
            writer.value([(label, member.value) for label, member in members.items()])
    skipped = _NOT_OF_A_CLASS
    if is_enum:
        skipped = skipped | _OF_ENUMS | set(vars(cls)["_member_map_"])
    for attribute, value in sorted(vars(cls).items()):
        if attribute not in skipped:
            with walk.writing(
                f"{attribute} of class {name}", f"attribute {attribute!r} of class {name}"
            ) as writer:
                _write_found(writer, value)
