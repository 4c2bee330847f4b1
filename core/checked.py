"""Dataclasses whose values are checked when they are made, by pydantic where a glance does not settle it."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import PurePath
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self, TypeVar, Union, get_args, get_origin

_BOUNDS: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


class Problem(NamedTuple):
    """What is wrong with a value: its name (with a dot before each nested one), pydantic's name for what is wrong, that in words,
    and what was given."""

    name: str
    kind: str
    message: str
    given: Any


class CheckError(ValueError):
    """Values that are not what they should be."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{problem.name}: {problem.message}" for problem in problems))
        self.problems = problems


class Limits:
    """What a value keeps to, in `Annotated`: gt, ge, lt, le, pattern, min_length, max_length, as pydantic means them."""

    def __init__(self, **limits: Any) -> None:
        self.limits = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(source), **self.limits}

    def plainly_allow(self, value: Any) -> bool:
        """Whether a value keeps to them, as far as comparing tells."""
        return all(name in _BOUNDS and _BOUNDS[name](value, bound) for name, bound in self.limits.items())


class Refused:
    """A function that raises ValueError for values that are refused, in `Annotated`."""

    def __init__(self, refuse: Callable[[Any], None]) -> None:
        self._refuse = refuse

    def __get_pydantic_core_schema__(self, source: Any, handler: Callable[[Any], Any]) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(self._looked_at, handler(source))

    def _looked_at(self, value: Any) -> Any:
        self._refuse(value)
        return value


@dataclass(frozen=True, kw_only=True)
class Checked:
    """A frozen dataclass, made by keywords, whose values are what their types and limits say.

    Others are converted where pydantic converts them, or raise CheckError. Importing pydantic takes a quarter of a whole query,
    so it sees only what a glance at the types does not settle.
    """

    #: What becomes of names that there are not, in `read`.
    unknown: ClassVar[Literal["ignore", "forbid"]] = "forbid"

    def __post_init__(self) -> None:
        given = dict(vars(self))
        if not all(
            _fits(given[field.name], field.type) or _is_default(field, given[field.name]) for field in fields(self)
        ):
            from topicidx.checks import checked

            for name, value in checked(type(self), given).items():
                object.__setattr__(self, name, value)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """From values by name, such as those of a JSON file, nested ones in tables. Raises CheckError."""
        made = _made(cls, values)
        if made is not None:
            return made
        from topicidx.checks import checked

        return cls(**checked(cls, values))

    def to_json(self, *, without_defaults: bool = False) -> dict[str, Any]:
        """The values by name, in JSON values."""
        given = {field: getattr(self, field.name) for field in fields(self)}
        return {
            field.name: _json(value)
            for field, value in given.items()
            if not (without_defaults and _is_default(field, value))
        }


T = TypeVar("T", bound=Checked)


def _is_default(field: "Field[Any]", value: Any) -> bool:
    """Whether a field has the value that it has where nothing is said."""
    default = field.default if field.default_factory is MISSING else field.default_factory()
    return bool(value == default)


def _fits(value: Any, kind: Any) -> bool:
    """Whether a value plainly is of a type; False where that cannot be told so easily."""
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return True
    if origin is Annotated:
        limits = inner[1:]
        return _fits(value, inner[0]) and all(isinstance(one, Limits) and one.plainly_allow(value) for one in limits)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(value == one and type(value) is type(one) for one in inner)
    if origin is dict:
        return isinstance(value, dict) and all(_fits(k, inner[0]) and _fits(v, inner[1]) for k, v in value.items())
    if not isinstance(kind, type) or origin is not None:
        return value is None and kind is None
    return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))


def _nested(kind: Any, value: Any) -> type[Checked] | None:
    """The dataclass that a table is meant for."""
    if not isinstance(value, Mapping):
        return None
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    return next((one for one in kinds if isinstance(one, type) and issubclass(one, Checked)), None)


def _made(kind: type[T], values: Any) -> T | None:
    """The dataclass of values by name that plainly are its own; None where that cannot be told so easily."""
    known = {field.name: field for field in fields(kind)}
    needed = {name for name, field in known.items() if field.default is field.default_factory is MISSING}
    if not isinstance(values, Mapping) or not needed <= set(values):
        return None
    made = {}
    for name, value in values.items():
        if name not in known:
            if kind.unknown == "forbid":
                return None
            continue
        nested = _nested(known[name].type, value)
        made[name] = _made(nested, value) if nested else value
        if not _fits(made[name], known[name].type) or (nested and made[name] is None):
            return None
    return kind(**made)


def _json(value: Any) -> Any:
    if isinstance(value, Checked):
        return value.to_json()
    if isinstance(value, Mapping):
        return {name: _json(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_json(one) for one in value]
    return str(value) if isinstance(value, PurePath) else value
