"""References that are written by the code itself: the command line, the settings, the HTTP API."""

import ast
import dataclasses
import html
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import NoneType, SimpleNamespace, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from topicidx.checked import Checked, Limits


def cli_reference() -> str:
    """A section for each command: what it does, its usage, its arguments and options."""
    from typer.main import get_command

    from topicidx.cli.app import app

    program: Any = get_command(app)
    context = program.make_context("topicidx", [], resilient_parsing=True)
    parts = [_options(program, context, "## topicidx")]
    for name, command in program.commands.items():
        if not command.hidden:
            below = command.make_context(name, [], parent=context, resilient_parsing=True)
            parts.append(_options(command, below, f"## topicidx {name}"))
    return "\n\n".join(parts)


def settings_reference() -> str:
    """A table for each table of topicidx.toml: name, values, default and meaning of each setting."""
    from topicidx.settings import Settings

    tables = [("topicidx.toml", "TOPICIDX_", Settings)]
    tables += [
        (f"[{name}]", f"TOPICIDX_{name.upper()}__", kind)
        for name, kind in _types(Settings)
        if inspect.isclass(kind) and issubclass(kind, Checked)
    ]
    return "\n\n".join(_table(title, prefix, model) for title, prefix, model in tables)


def openapi() -> dict[str, Any]:
    """The description of the HTTP API that the service gives under /openapi.json."""
    from topicidx.service.app import create_api
    from topicidx.service.options import ServiceOptions

    service: Any = SimpleNamespace(options=ServiceOptions())
    return create_api(service).openapi()


def http_reference() -> str:
    """A section for each endpoint: what it does, its parameters."""
    parts = []
    for path, methods in openapi()["paths"].items():
        for method, endpoint in methods.items():
            parts.append(_endpoint(path, method, endpoint))
    return "\n\n".join(parts)


def _options(command: Any, context: Any, heading: str) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    # `topicidx query` and the like stand in backticks already.
    help_text = inspect.cleandoc(command.help or "")
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.get_params(context) if param.param_type_name == "option" and not param.hidden]
    parts = [heading, help_text, f"```text\n{usage}\n```"]
    for title, params in (("Argument", arguments), ("Option", options)):
        if params:
            rows = [_row(*_told(param, context)) for param in params]
            parts.append("\n".join([f"| {title} | |", "|---|---|", *rows]))
    return "\n\n".join(parts)


def _told(param: Any, context: Any) -> tuple[str, str]:
    record = param.get_help_record(context)
    if record is None:
        return _code(param.human_readable_name), _prose(getattr(param, "help", None) or "")
    name, told = record
    return _code(name), _prose(told)


def _code(text: str) -> str:
    """Code for a cell of a table, where `|` between backticks would end it."""
    return f"<code>{html.escape(text).replace('|', '&#124;')}</code>"


def _prose(text: str) -> str:
    """Help texts are plain text: what Markdown would take for markup is escaped, but for code in backticks."""
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<\[\]|])", r"\\\1", part)
        for part in re.split(r"(`[^`]*`)", text)
    )


def _row(*cells: str) -> str:
    return "| " + " | ".join(" ".join(re.sub(r"(?<!\\)\|", r"\|", cell).split()) for cell in cells) + " |"


def _types(model: type[Checked]) -> Iterator[tuple[str, Any]]:
    """The names of a dataclass's fields with their types."""
    yield from ((field.name, field.type) for field in dataclasses.fields(model))


def _table(title: str, prefix: str, model: type[Checked]) -> str:
    comments = dict(_comments(model))
    defaults = model()
    rows = []
    for name, kind in _types(model):
        if inspect.isclass(kind) and issubclass(kind, Checked):
            continue
        value = getattr(defaults, name)
        default = "" if value is None else f"`{_shown(value)}`"
        rows.append(_row(f"`{name}`", f"`{_kind(kind)}`", default, comments.get(name, "")))
    about = inspect.cleandoc(model.__doc__ or "")
    variable = f"As variables: `{prefix}` and the name in capitals."
    return "\n".join(
        [f"## {title}", "", about, "", variable, "", "| Setting | Values | Default | |", "|---|---|---|---|", *rows]
    )


def _comments(model: type[Checked]) -> Iterator[tuple[str, str]]:
    """The comments (`#:`) above the fields of a model and of those that it is made from."""
    for kind in reversed(model.__mro__):
        if not (issubclass(kind, Checked) and kind.__module__.startswith("topicidx.")):
            continue
        source = inspect.cleandoc("\n" + inspect.getsource(kind))
        lines = source.splitlines()
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.ClassDef)
        for node in tree.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                above = []
                for line in reversed(lines[: node.lineno - 1]):
                    if not line.strip().startswith("#:"):
                        break
                    above.append(line.strip().removeprefix("#:").strip())
                if above:
                    yield node.target.id, " ".join(reversed(above))


def _kind(kind: Any) -> str:
    """A type in words."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return f"{_kind(arguments[0])}{''.join(_constraints(arguments[1:]))}"
    if origin in (Union, UnionType):
        return " or ".join(_kind(argument) for argument in arguments if argument is not NoneType)
    if origin is Literal:
        return ", ".join(f'"{argument}"' for argument in arguments)
    if origin is tuple:
        return f"list of {_kind(arguments[0])}"
    if origin is dict:
        return f"table of {_kind(arguments[1])}"
    names = {str: "text", int: "whole number", float: "number", bool: "true, false", Path: "path", Any: "anything"}
    return names.get(kind, getattr(kind, "__name__", str(kind)))


def _constraints(metadata: Any) -> Iterator[str]:
    signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "at least", "max_length": "at most"}
    limits = [limit for each in metadata if isinstance(each, Limits) for limit in each.limits.items()]
    for name, bound in limits:
        if name in signs:
            yield f" {signs[name]} {bound:,}" if isinstance(bound, int) else f" {signs[name]} {bound}"


def _shown(default: Any) -> str:
    match default:
        case bool():
            return str(default).lower()
        case str():
            return f'"{default}"'
        case tuple():
            return str(list(default))
        case _:
            return str(default)


def _endpoint(path: str, method: str, endpoint: dict[str, Any]) -> str:
    lines = [
        f"## {method.upper()} {path}",
        "",
        f"{endpoint.get('summary', '')}.",
        "",
        endpoint.get("description", ""),
        "",
    ]
    rows = [
        _row(
            f"`{parameter['name']}`",
            parameter["in"],
            f"`{_schema(parameter['schema'])}`",
            _prose(parameter.get("description", "")),
        )
        for parameter in endpoint.get("parameters", [])
    ]
    if rows:
        lines += ["| Parameter | In | Values | |", "|---|---|---|---|", *rows, ""]
    if body := endpoint.get("requestBody"):
        lines += [f"Body: `{', '.join(body['content'])}`.", ""]
    codes = ", ".join(f"{code} ({answer['description'].rstrip('.')})" for code, answer in endpoint["responses"].items())
    return "\n".join([*lines, f"Answers: {codes}."])


def _schema(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_schema(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_schema(schema['items'])}"
    told = schema.get("format") or schema.get("type") or "text"
    bounds = [f"{sign} {schema[name]}" for name, sign in (("minimum", "≥"), ("maximum", "≤")) if name in schema]
    default = [f"default {schema['default']}"] if schema.get("default") not in (None, []) else []
    return ", ".join([told, *bounds, *default])
