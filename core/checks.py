"""What pydantic makes of values for a `Checked` dataclass; imported where there is something to be checked."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from topicidx.checked import Checked, CheckError, Problem

_models: dict[type[Checked], type[BaseModel]] = {}
_kinds: dict[type[BaseModel], type[Checked]] = {}


def checked(kind: type[Checked], values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the values that the dataclass has, as they are to be. Raises CheckError for all that are wrong at once."""
    try:
        model = model_of(kind).model_validate({name: _in_tables(value) for name, value in values.items()})
    except ValidationError as error:
        raise CheckError(
            tuple(
                Problem(".".join(map(str, each["loc"])), each["type"], each["msg"], each["input"])
                for each in error.errors()
            )
        ) from None
    return {name: _back(getattr(model, name)) for name in model.model_fields_set}


def model_of(kind: type[Checked]) -> type[BaseModel]:
    """The model that checks the values of a dataclass."""
    if kind in _models:
        return _models[kind]
    made: dict[str, Any] = {}
    for field in fields(kind):
        default: Any = ... if field.default is MISSING else field.default
        if field.default_factory is not MISSING:
            default = Field(default_factory=field.default_factory)
        made[field.name] = (_checkable(field.type), default)
    model: type[BaseModel] = create_model(kind.__name__, __config__=ConfigDict(extra=kind.unknown), **made)
    _models[kind], _kinds[model] = model, kind
    return model


def _checkable(kind: Any) -> Any:
    if isinstance(kind, type) and issubclass(kind, Checked):
        return model_of(kind)
    if get_origin(kind) in (Union, UnionType):
        return Union[tuple(_checkable(one) for one in get_args(kind))]  # noqa: UP007 of types that are not known before
    return kind


def _in_tables(value: Any) -> Any:
    if isinstance(value, Checked):
        return {field.name: _in_tables(getattr(value, field.name)) for field in fields(value)}
    return value


def _back(value: Any) -> Any:
    if not isinstance(value, BaseModel):
        return value
    return _kinds[type(value)](**{name: _back(getattr(value, name)) for name in value.model_fields_set})
