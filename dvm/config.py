"""The configuration file: TOML into frozen values, all problems reported at once. The only reader of it.

Unknown keys are refused with the nearest right name. Secrets never stand here.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from jobs.admission import Policy
from jobs.grant import CEILING, DEFAULT, MIB, Grant
from jobs.params import shown
from relayclient.errors import InvalidUrl
from relayclient.urls import normalise

NUMBER_MAX = 1_000_000_000_000
"""Of any number here: in 64 bits there is room for so many days in seconds, and for so many MiB in bytes."""
SLOTS_MAX = 256

ENGINES = ("auto", "native", "pulley")
TIERS = ("A", "B", "C", "D")


class ConfigError(Exception):
    """The file cannot be used; `problems` are sentences, each naming the key."""

    def __init__(self, path: Path, problems: list[str]) -> None:
        super().__init__(path, problems)
        self.path, self.problems = path, problems

    def __str__(self) -> str:
        return f"{self.path}: " + "; ".join(self.problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The limits of one run, as an operator writes them."""

    fuel: int
    memory_mib: int
    timeout_ms: int

    def over(self, base: Grant) -> Grant:
        """`base` with these limits in the place of its own."""
        return Grant(
            fuel=self.fuel,
            memory_bytes=self.memory_mib * MIB,
            wall_ms=self.timeout_ms,
            input_bytes=base.input_bytes,
            output_bytes=base.output_bytes,
            log_bytes=base.log_bytes,
        )


def _limits(grant: Grant) -> Limits:
    return Limits(fuel=grant.fuel, memory_mib=grant.memory_bytes // MIB, timeout_ms=grant.wall_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSection:
    relays: tuple[str, ...] = ()
    kind: int = 5850
    slots: int = max(2, os.cpu_count() or 2)
    open_jobs: bool = True
    drain_s: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSection:
    local: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSection:
    engine: str = "auto"
    lowest_tier: str = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentsSection:
    max_mib: int = 16
    cache_mib: int = 2_048
    mirrors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobsSection:
    oldest_s: int = 86_400
    patience_s: int = 600
    live_max: int = 1_000
    live_per_customer_max: int = 100
    retention_days: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole file. Every key has a default; an empty file is a valid one."""

    node: NodeSection = field(default_factory=NodeSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    sandbox: SandboxSection = field(default_factory=SandboxSection)
    components: ComponentsSection = field(default_factory=ComponentsSection)
    jobs: JobsSection = field(default_factory=JobsSection)
    default: Limits = field(default_factory=lambda: _limits(DEFAULT))
    ceiling: Limits = field(default_factory=lambda: _limits(CEILING))

    def policy(self) -> Policy:
        """What admission needs of it."""
        ceiling = self.ceiling.over(CEILING)
        return Policy(
            ceiling=ceiling,
            default=self.default.over(DEFAULT).meet(ceiling),
            open_jobs=self.node.open_jobs,
            oldest_s=self.jobs.oldest_s,
            patience_s=self.jobs.patience_s,
            live_max=self.jobs.live_max,
            live_per_customer_max=self.jobs.live_per_customer_max,
        )


def load(path: Path) -> Config:
    """Read the file; raises ConfigError with every problem in it."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(path, ["there is no such file; `dvm init` makes one"]) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(path, [str(error)]) from None
    return parse(table, path)


def parse(table: dict[str, Any], path: Path) -> Config:
    """The configuration in a parsed TOML table; `path` is for the error message."""
    problems: list[str] = []
    config: Config = _section(Config(), table, "", problems)
    if not problems:
        problems = _senseless(config)
    if problems:
        raise ConfigError(path, problems)
    return config


def _section(default: Any, table: dict[str, Any], where: str, problems: list[str]) -> Any:
    hints = get_type_hints(type(default))
    values = {f.name: getattr(default, f.name) for f in fields(default)}
    for key, value in table.items():
        if key not in values:
            near = difflib.get_close_matches(key, values, 1)
            problems.append(f"unknown key {where}{key}" + (f"; did you mean {where}{near[0]}?" if near else ""))
        elif is_dataclass(values[key]):
            if isinstance(value, dict):
                values[key] = _section(values[key], value, f"{where}{key}.", problems)
            else:
                problems.append(f"{where}{key} is a section: write [{where}{key}]")
        else:
            values[key] = _value(hints[key], value, where + key, problems)
    return type(default)(**values)


def _value(kind: Any, value: Any, where: str, problems: list[str]) -> Any:
    if get_origin(kind) is tuple:
        (inner, _) = get_args(kind)
        if isinstance(value, list) and all(type(item) is inner for item in value):
            return tuple(value)
        problems.append(f"{where} must be a list of strings")
    elif type(value) is not kind:
        problems.append(f"{where} must be {_KINDS[kind]}, not {value!r}")
    elif kind is int and not 0 < value <= NUMBER_MAX:
        problems.append(f"{where} must be a number from 1 to {NUMBER_MAX}")
    return value


_KINDS = {int: "a whole number", bool: "true or false", str: "a text in quotes"}


def _senseless(config: Config) -> list[str]:
    """What each key allows but all together do not."""
    problems = []
    # Twice: what was answered while its time lay that far ahead can still be taken when it lies as far back.
    if config.jobs.retention_days * 86_400 <= 2 * max(config.jobs.oldest_s, Policy().future_s):
        problems.append("jobs.retention_days must be longer than twice jobs.oldest_s, or old requests would run twice")
    if config.node.slots > SLOTS_MAX:
        problems.append(f"node.slots must be at most {SLOTS_MAX}: each is a process")
    if config.components.cache_mib < 8 * config.components.max_mib:
        problems.append("components.cache_mib must be at least 8 times components.max_mib")
    if not 5000 <= config.node.kind <= 5999:
        problems.append("node.kind must be a job request kind, from 5000 to 5999")
    for name, one_of in (("engine", ENGINES), ("lowest_tier", TIERS)):
        if getattr(config.sandbox, name) not in one_of:
            problems.append(f"sandbox.{name} must be one of {', '.join(one_of)}")
    for relay in config.node.relays:
        try:
            normalise(relay)
        except InvalidUrl as error:
            problems.append(f"node.relays: {shown(relay)}: {error.detail}")
    return problems
