"""``@frozen`` and ``@slotted``: what ``@dataclass(frozen=True, slots=True)`` and ``@dataclass(slots=True)`` give.

git starts the program anew for every commit. A dataclass costs 0.85 ms when its class is made (six functions compiled,
``inspect`` loaded), and a verification makes sixty of them: a third of its whole time. Here one function is compiled
for each class, when it has made some instances without, and the others are shared. Type checkers treat it as a
dataclass (PEP 681); ``dataclasses``' own ``replace``, ``fields`` and ``asdict`` work on it, as ``__dataclass_fields__``
is made when somebody asks. See docs/adr/0005-frozen-records.md.
"""

from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_MISSING: Any = object()
_FEW = 12
"""Instances of a class until its initializer is compiled, which costs as much as this many are slower without."""


class Field:
    """A field's options, named as those of ``dataclasses.field``."""

    __slots__ = ("compare", "default", "default_factory", "repr")

    def __init__(self, default: Any, default_factory: Any, *, repr: bool, compare: bool) -> None:  # noqa: A002
        self.default = default
        self.default_factory = default_factory
        self.repr = repr
        self.compare = compare


def field(
    *,
    default: Any = _MISSING,
    default_factory: Any = _MISSING,
    repr: bool = True,  # noqa: A002 - the name that type checkers know (PEP 681)
    compare: bool = True,
) -> Any:
    """Say more about a field than its type: a factory for its default, left out of the text or of comparisons."""
    return Field(default, default_factory, repr=repr, compare=compare)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class of annotated fields immutable, slotted, comparable and hashable by its fields."""
    return _made(cls, {"__setattr__": _refuse_set, "__delattr__": _refuse_delete}, _hash)


@dataclass_transform(field_specifiers=(field,))
def slotted(cls: type[T]) -> type[T]:
    """Make a class of annotated fields slotted and comparable by its fields, which may be set: so it has no hash."""
    return _made(cls, {}, None)


def _made(cls: type[T], refusals: dict[str, Any], make_hash: Callable[[Any], int] | None) -> type[T]:
    space = dict(cls.__dict__)
    own: dict[str, Field] = {}
    # The class's own, not a base's, and from the attribute: Python 3.14 has them in no dictionary (PEP 649, PEP 749).
    for name in cls.__annotations__:
        value = space.pop(name, _MISSING)
        own[name] = value if isinstance(value, Field) else Field(value, _MISSING, repr=True, compare=True)
    fields: dict[str, Field] = {**getattr(cls, "_fields", {}), **own}  # a record may add fields to another one's
    for name in ("__dict__", "__weakref__"):
        space.pop(name, None)
    after = hasattr(cls, "__post_init__")

    few = _FEW

    def first(self: Any, *values: Any, **named: Any) -> None:
        """Do it without the compiled one, which takes this one's place later: most classes of a run have few."""
        nonlocal few
        few -= 1
        if few < 0 or not _filled(self, fields, values, named):
            _initializer(made, fields, after=after)(self, *values, **named)
        elif after:
            self.__post_init__()

    space |= refusals | {
        "__slots__": tuple(own),
        "__match_args__": tuple(fields),
        "_fields": fields,
        "_compared": tuple(name for name, one in fields.items() if one.compare),
        "__dataclass_fields__": _StandardFields(),
        "__init__": first,
        "__reduce__": _reduce,
    }
    for name, function in (("__eq__", _equal), ("__hash__", make_hash), ("__repr__", _text)):
        if space.get(name) is None:
            space[name] = function
    kind: Any = type(cls)
    made: type[T] = kind(cls.__name__, cls.__bases__, space)
    return made


def _filled(self: Any, fields: dict[str, Field], values: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Set all fields; False for arguments that do not fit, which the compiled initializer refuses in Python's words."""
    if len(values) > len(fields) or not named.keys() <= fields.keys():
        return False
    given = dict(zip(fields, values, strict=False))
    if not named.keys().isdisjoint(given):
        return False
    given |= named
    put = object.__setattr__
    for name, one in fields.items():
        if name in given:
            put(self, name, given[name])
        elif one.default_factory is not _MISSING:
            put(self, name, one.default_factory())
        elif one.default is not _MISSING:
            put(self, name, one.default)
        else:
            return False
    return True


def _initializer(made: type, fields: dict[str, Field], *, after: bool) -> Callable[..., None]:
    """The one function that is compiled for each class: it names its arguments, so mistakes are said in their words."""
    # Past __setattr__, which refuses: each slot's own setter, a third quicker than object.__setattr__ with its name.
    scope: dict[str, Any] = {f"set_{name}": getattr(made, name).__set__ for name in fields}
    scope["MISSING"] = _MISSING
    arguments, lines = [], []
    for name, one in fields.items():
        value = name
        if one.default_factory is not _MISSING:
            scope[f"make_{name}"] = one.default_factory
            arguments.append(f"{name}=MISSING")
            value = f"make_{name}() if {name} is MISSING else {name}"
        elif one.default is not _MISSING:
            scope[f"default_{name}"] = one.default
            arguments.append(f"{name}=default_{name}")
        else:
            arguments.append(name)
        lines.append(f" set_{name}(self, {value})")
    if after:
        lines.append(" self.__post_init__()")
    source = f"def __init__(self, {', '.join(arguments)}):\n" + "\n".join(lines or [" pass"])
    exec(source, scope)  # noqa: S102 - our own field names, as dataclasses does it
    initialize: Callable[..., None] = scope["__init__"]
    initialize.__qualname__ = f"{made.__qualname__}.__init__"
    type.__setattr__(made, "__init__", initialize)
    return initialize


def _equal(self: Any, other: Any) -> Any:
    if other.__class__ is not self.__class__:
        return NotImplemented
    return all(getattr(self, name) == getattr(other, name) for name in self._compared)


def _hash(self: Any) -> int:
    return hash(tuple(getattr(self, name) for name in self._compared))


def _text(self: Any) -> str:
    shown = (f"{name}={getattr(self, name)!r}" for name, one in self._fields.items() if one.repr)
    return f"{type(self).__qualname__}({', '.join(shown)})"


def _refuse_set(self: Any, name: str, value: Any) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: cannot set {name} to {value!r:.40}")


def _refuse_delete(self: Any, name: str) -> None:
    raise AttributeError(f"{type(self).__name__} is frozen: cannot delete {name}")


def _reduce(self: Any) -> tuple[Any, ...]:
    """For copies and for other processes: the class and its values, in order."""
    return type(self), tuple(getattr(self, name) for name in self._fields)


class _StandardFields:
    """``__dataclass_fields__`` when somebody asks: made by the standard library itself."""

    def __get__(self, instance: Any, owner: type[Any]) -> Any:
        import dataclasses  # noqa: PLC0415 - loading these is what this module avoids
        import inspect  # noqa: PLC0415

        specifications: list[tuple[str, Any, Any]] = []
        annotations: dict[str, Any] = {}
        for base in reversed(owner.__mro__):
            annotations |= inspect.get_annotations(base)
        for name, one in owner._fields.items():
            options = {"repr": one.repr, "compare": one.compare, "kw_only": True}
            if one.default_factory is not _MISSING:
                options["default_factory"] = one.default_factory
            elif one.default is not _MISSING:
                options["default"] = one.default
            specifications.append((name, annotations[name], dataclasses.field(**options)))
        made: Any = dataclasses.make_dataclass(owner.__name__, specifications)
        return made.__dataclass_fields__


def replace(record: T, **changes: Any) -> T:
    """A copy with some fields changed; ``__init__`` and ``__post_init__`` run again."""
    kind: Any = type(record)
    return kind(**{name: changes.pop(name, getattr(record, name)) for name in kind._fields}, **changes)  # type: ignore[no-any-return]
