"""A stage's parameters in words: type, range, default, meaning."""

from __future__ import annotations

import typing
from dataclasses import dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic.fields import FieldInfo

from isp.stage import Parameters


@dataclass(frozen=True)
class ParameterFact:
    name: str
    kind: str
    """Its type, or the values that it can take."""
    range: str
    """Such as "0 to 1.5"; empty where there is no limit."""
    has_default: bool
    default: object
    description: str


def parameter_facts(parameters: type[Parameters]) -> tuple[ParameterFact, ...]:
    """All parameters of a stage, in the order in which it declares them."""
    return tuple(_fact(name, field) for name, field in parameters.model_fields.items())


def _fact(name: str, field: FieldInfo) -> ParameterFact:
    required = field.is_required()
    return ParameterFact(
        name=name,
        kind=_kind(field.annotation),
        range=_range(field.metadata),
        has_default=not required,
        default=None if required else field.get_default(call_default_factory=True),
        description=" ".join((field.description or "").split()),
    )


def _kind(annotation: Any) -> str:  # noqa: ANN401 - what typing calls a type has no type of its own
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " | ".join(str(argument) for argument in arguments)
    if origin in (Union, UnionType):
        return " | ".join(_kind(argument) for argument in arguments)
    if origin is typing.Annotated:
        return _kind(arguments[0])
    if origin is tuple:
        return f"({', '.join(_kind(argument) for argument in arguments if argument is not Ellipsis)})"
    if annotation is NoneType:
        return "none"
    return str(getattr(annotation, "__name__", annotation)).lower()


def _range(metadata: list[Any]) -> str:
    low = high = ""
    words = []
    for item in metadata:
        match item:
            case Ge(ge=value):
                low = f"{value:g}"
            case Gt(gt=value):
                low = f"above {value:g}"
            case Le(le=value):
                high = f"{value:g}"
            case Lt(lt=value):
                high = f"below {value:g}"
            case MinLen(min_length=value):
                words.append(f"at least {value} items")
            case MaxLen(max_length=value):
                words.append(f"at most {value} items")
    if low and high:
        words.insert(0, f"{low} to {high}")
    elif low:
        words.insert(0, low if low.startswith("above") else f"{low} or more")
    elif high:
        words.insert(0, high if high.startswith("below") else f"{high} or less")
    return ", ".join(words)
