"""`stages`: what stages there are, what they take and give, and their parameters."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
from dataclasses import dataclass

from isp.cli.table import aligned
from isp.errors import ConfigError
from isp.registry import AnyStage, Registry, StageSource
from isp.report.parameter_facts import ParameterFact, parameter_facts

WIDEST = 100
"""Characters in a line of text, however wide the terminal."""


@dataclass(frozen=True)
class Listed:
    """A stage, or why it cannot be loaded."""

    source: StageSource
    stage: AnyStage | None
    fault: str = ""


def execute(options: argparse.Namespace) -> int:
    """Lists stages. Returns 0, or 2 if a stage that was asked for by name is broken."""
    registry = Registry.installed()
    sources = [registry.source(name) for name in options.stages] or list(registry)
    listed = [_listed(source) for source in sources]
    if options.json:
        json.dump({"stages": [_value(item) for item in listed]}, sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        sys.stdout.write("\n".join(_text(item) for item in listed))
    broken = any(item.fault for item in listed)
    return ConfigError.exit_code if broken and options.stages else 0


def _listed(source: StageSource) -> Listed:
    try:
        return Listed(source, source.load())
    except ConfigError as error:
        return Listed(source, None, error.found)


def _text(item: Listed) -> str:
    if item.stage is None:
        return f"{item.source.name}\n  broken: {item.fault}\n"
    stage = item.stage
    moves = ", ".join(takes if takes is gives else f"{takes} -> {gives}" for takes, gives in stage.transitions.items())
    rows = [("domain", moves), ("origin", item.source.origin)]
    if stage.needs_noise:
        rows.append(("needs", "a noise model"))
    text = f"{stage.name}: {stage.summary}\n{aligned(rows)}\n"
    return text + "".join(_parameter_text(fact) for fact in parameter_facts(stage.Parameters))


def _parameter_text(fact: ParameterFact) -> str:
    kind = f"{fact.kind}, {fact.range}" if fact.range else fact.kind
    default = f"default {'none' if fact.default is None else fact.default}" if fact.has_default else "required"
    columns = min(shutil.get_terminal_size().columns, WIDEST)
    description = textwrap.fill(fact.description, columns, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return f"    {fact.name}: {kind}; {default}\n{description}\n"


def _value(item: Listed) -> dict[str, object]:
    source = {"name": item.source.name, "package": item.source.package, "version": item.source.version}
    if item.stage is None:
        return {**source, "broken": item.fault}
    return {
        **source,
        "summary": item.stage.summary,
        "transitions": {takes.value: gives.value for takes, gives in item.stage.transitions.items()},
        "needs_noise": item.stage.needs_noise,
        "parameters": item.stage.Parameters.model_json_schema()["properties"],
    }
