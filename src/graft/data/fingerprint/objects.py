"""How objects are written into a digest: by their own word, by their kind, or by their state."""

import abc
import enum
import functools
import io
import random
import sys
import types
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

from graft.data.fingerprint.files import file_digest
from graft.data.fingerprint.foreign import KINDS
from graft.data.fingerprint.library import library_module, library_name, library_of
from graft.data.fingerprint.walk import Walk, Writer
from graft.errors import DataError

HOOK = "__graft_fingerprint__"
_RANDOM = "Make it inside the function from a seed, so that every run draws the same numbers."


def write_object(writer: Writer, value: Any) -> None:
    """Writes a value that is no plain one: whichever of these tells most surely what it is."""
    if _write_hook(writer, value):
        return
    known = library_name(value)
    if known is not None:
        writer.text("library", " ".join(known))
        return
    for kind in type(value).__mro__:
        write = _KINDS.get(kind) or KINDS.get(f"{kind.__module__}.{kind.__qualname__}")
        if write is not None:
            if not _is_exact(kind, value):
                writer.value(type(value))
            write(writer, value)
            return
    if isinstance(value, type):
        _write_class(writer, value)
    else:
        writer.node(value)


def _is_exact(kind: type, value: Any) -> bool:
    return type(value) is kind or isinstance(value, type | PurePath)


def _write_hook(writer: Writer, value: Any) -> bool:
    hook = None if isinstance(value, type) else getattr(type(value), HOOK, None)
    if hook is None:
        return False
    told = hook(value)
    if not isinstance(told, str | bytes):
        raise DataError(
            f"{type(value).__qualname__}.{HOOK} returned {type(told).__name__}. "
            "Return a string or bytes."
        )
    writer.text("told", type(value).__qualname__.rpartition("<locals>.")[2])
    writer.value(told)
    return True


def _write_class(writer: Writer, cls: type) -> None:
    has_code = any(isinstance(value, types.FunctionType) for value in vars(cls).values())
    if not has_code and not cls.__flags__ & 1 << 9:  # one of C's, not one made by a class statement
        writer.text("class", f"{cls.__module__}.{cls.__qualname__}")
    else:
        writer.node(cls)


def write_state(walk: Walk, value: Any, name: str) -> None:
    """Writes an object as a node: its class, and what it would be rebuilt from."""
    walk.add(f"class of {name}", type(value))
    for attribute, content in sorted(_state(walk, value).items()):
        with walk.writing(
            f"attribute {attribute} of {name}", f"attribute {attribute!r} of {name}"
        ) as writer:
            writer.value(content)


def _state(walk: Walk, value: Any) -> dict[str, Any]:
    """What the object would be pickled as, by name: its attributes, and how it would be made."""
    try:
        reduced = value.__reduce_ex__(4)
    except DataError:
        raise
    except Exception as error:  # whatever the object's own method says: it is not to be pickled
        kind = _full_name(type(value))
        raise walk.refusal(_a(kind), _advice(kind)) from error
    if isinstance(reduced, str):
        return {"(name)": [type(value).__module__, reduced]}
    make, arguments, state, items, pairs = (*reduced, None, None, None)[:5]
    found = {
        "(made by)": make,
        "(made from)": arguments,
        "(items)": None if items is None else list(items),
        "(pairs)": None if pairs is None else list(pairs),
    }
    for attributes in state if _has_slots(state) else (state,):
        if _is_named(attributes):
            found.update(attributes)
        elif attributes is not None:
            found["(state)"] = state
    return {name: content for name, content in found.items() if content is not None}


def _has_slots(state: object) -> bool:
    """Whether a state is that of an object with slots: its attributes, and those in slots."""
    return (
        isinstance(state, tuple)
        and len(state) == 2
        and (state[0] is None or _is_named(state[0]))
        and _is_named(state[1])
    )


def _is_named(state: object) -> bool:
    return type(state) is dict and all(type(name) is str for name in state)


def _full_name(kind: type) -> str:
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else (f"{kind.__module__}.{kind.__qualname__}")
    )


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}"


def _advice(name: str) -> str:
    lowered = name.lower()
    if any(word in lowered for word in ("connection", "cursor", "socket", "engine", "session")):
        return "Connect inside the function, and capture the address alone."
    if "lock" in lowered or "thread" in lowered:
        return "Leave it out of what the function captures."
    return ""


def _refuse(remedy: str) -> Callable[[Writer, Any], None]:
    def refuse(writer: Writer, value: Any) -> None:
        raise writer.walk.refusal(_a(_full_name(type(value))), remedy)

    return refuse


def _write_shared(writer: Writer, method: Any) -> bool:
    """A function of `random` or `numpy.random` is a method of a generator that all share."""
    for module in ("random", "numpy.random"):
        if getattr(sys.modules.get(module), method.__name__, None) == method:
            writer.text("library", f"{library_of(module)} {module}.{method.__name__}")
            return True
    return False


def _write_method(writer: Writer, method: types.MethodType) -> None:
    if _write_shared(writer, method):
        return
    writer.put("method")
    writer.value(method.__func__)
    writer.at("the object of a method", method.__self__)


def _write_builtin(writer: Writer, fn: types.BuiltinFunctionType) -> None:
    if _write_shared(writer, fn):
        return
    writer.text("builtin", f"{fn.__module__} {fn.__qualname__}")
    _write_compiled(writer, fn.__module__)
    owner = fn.__self__
    if owner is not None and not isinstance(owner, types.ModuleType):
        writer.at(f"the object of its method {fn.__name__}", owner)


def _write_compiled(writer: Writer, module: str | None) -> None:
    """The file of a module of the user's that was compiled: its functions have no code to read."""
    file = getattr(sys.modules.get(module or ""), "__file__", None)
    if file is not None and library_of(module) is None:
        writer.text("file", file_digest(file))


def _write_descriptor(writer: Writer, value: Any) -> None:
    writer.text("descriptor", f"{value.__objclass__.__qualname__}.{value.__name__}")


def _write_property(writer: Writer, value: property) -> None:
    writer.put("property")
    writer.value([value.fget, value.fset, value.fdel])


def _write_wrapper(tag: str, *names: str) -> Callable[[Writer, Any], None]:
    def write(writer: Writer, value: Any) -> None:
        writer.put(tag)
        for name in names:
            writer.at(name.strip("_"), getattr(value, name))

    return write


def _write_enum(writer: Writer, member: enum.Enum) -> None:
    writer.text("member", str(member.name))
    writer.value(type(member))
    if member.name is None or member.name not in type(member).__members__:  # flags put together
        writer.value(member.value)


def _write_path(writer: Writer, path: PurePath) -> None:
    """A path, and the content of the file that it leads to: a function opens what it is given."""
    writer.text("path", path.as_posix())
    try:
        if isinstance(path, Path) and path.is_file():
            writer.text("file", file_digest(path))
    except OSError as error:
        raise writer.walk.refusal(f"{path}: {error.strerror}", "Make it readable.") from error


def _write_module(writer: Writer, module: types.ModuleType) -> None:
    library = library_module(module)
    if library is None:
        writer.node(module)
    else:
        writer.text("library", f"{library} {module.__name__}")


def _write_code(writer: Writer, code: types.CodeType) -> None:
    from graft.data.fingerprint.code import write_code

    write_code(writer, code)


def _write_stream(writer: Writer, value: io.IOBase) -> None:
    if isinstance(value, io.BytesIO | io.StringIO):
        writer.value(value.getvalue())
        writer.value(value.tell())
    else:
        _refuse("Open it inside the function, and capture its path.")(writer, value)


_KINDS: dict[type, Callable[[Writer, Any], None]] = {
    types.MethodType: _write_method,
    types.BuiltinFunctionType: _write_builtin,
    types.MethodWrapperType: _write_wrapper("method wrapper", "__name__", "__self__"),
    types.MethodDescriptorType: _write_descriptor,
    types.ClassMethodDescriptorType: _write_descriptor,
    types.WrapperDescriptorType: _write_descriptor,
    types.MemberDescriptorType: _write_descriptor,
    types.GetSetDescriptorType: _write_descriptor,
    types.MappingProxyType: lambda writer, value: writer.value(["proxy", dict(value)]),
    types.ModuleType: _write_module,
    types.CodeType: _write_code,
    types.UnionType: lambda writer, value: writer.value(["union", value.__args__]),
    types.SimpleNamespace: lambda writer, value: writer.value(["namespace", vars(value)]),
    property: _write_property,
    staticmethod: _write_wrapper("staticmethod", "__func__"),
    classmethod: _write_wrapper("classmethod", "__func__"),
    functools.partial: _write_wrapper("partial", "func", "args", "keywords"),
    functools.cached_property: _write_wrapper("cached_property", "func", "attrname"),
    functools._lru_cache_wrapper: _write_wrapper("lru_cache", "__wrapped__"),
    enum.Enum: _write_enum,
    PurePath: _write_path,
    io.IOBase.__mro__[1]: _write_stream,
    random.Random: _refuse(_RANDOM),
    types.GeneratorType: _refuse("A generator can be read only once: capture a list."),
    types.CoroutineType: _refuse("Call it before, and capture what it gives."),
    types.AsyncGeneratorType: _refuse("Read it before, and capture a list."),
    abc.ABCMeta: lambda writer, value: _write_class(writer, value),
}
