"""`dvm doctor`: whether this machine can run a node, check by check, each by doing the thing itself."""

from __future__ import annotations

import argparse
import asyncio
import platform
import stat
import struct
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from dvm.cli.options import add_home, home_of
from dvm.cli.terminal import FAILED, Voice, print_json, safe
from dvm.config import Config, ConfigError, SandboxSection, load
from dvm.gate import Gate, GatePolicy
from dvm.home import Home, HomeError
from dvm.node import relay_dial
from dvm.sandbox import SandboxError, Standing, Tier, ZygoteSandbox
from relayclient.errors import InvalidUrl, LinkError
from relayclient.keys import npub
from relayclient.urls import normalise

DESCRIPTION = "Check what a node needs: Python, machine, sandbox, configuration, key, relays. Changes nothing."
EPILOG = """\
example:
  dvm doctor --home ~/second-node

exit codes:
  0  everything is in order
  1  something is not
"""
RELAY_S = 10.0
MACHINES = ("x86_64", "aarch64")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at. `detail` says what was found, or what to do."""

    name: str
    good: bool
    detail: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """The command."""
    checks = asyncio.run(_examine(home_of(args)))
    good = all(check.good for check in checks)
    if args.json:
        print_json({"good": good, "checks": [asdict(check) for check in checks]})
    else:
        voice = Voice.on(sys.stdout)
        for check in checks:
            mark = voice.paint("ok     ", "green") if check.good else voice.paint("not ok ", "red")
            voice.say(f"{mark} {check.name:12} {safe(check.detail)}")
    return 0 if good else FAILED


async def _examine(home: Home) -> list[Check]:
    config, check = _config(home)
    checks = [_python(), _machine(), *await _sandbox((config or Config()).sandbox), check, _key(home)]
    if config is not None:
        gate = Gate(GatePolicy(local=frozenset(config.network.local)))
        checks += await asyncio.gather(*(_relay(url, gate) for url in config.node.relays))
    return checks


def _python() -> Check:
    return Check(
        "python", (3, 11) <= sys.version_info[:2] <= (3, 13), f"{platform.python_version()}; 3.11 to 3.13 will do"
    )


def _machine() -> Check:
    bits, machine = struct.calcsize("P") * 8, platform.machine()
    return Check("machine", bits == 64 and machine in MACHINES, f"{machine}, {bits} bits, Linux {platform.release()}")


async def _sandbox(wanted: SandboxSection) -> list[Check]:
    """Starts one, which tests itself, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="dvm-doctor-") as folder:
        try:
            async with ZygoteSandbox(Path(folder), engine=wanted.engine) as sandbox:
                layers, standing = await sandbox.layers(), await sandbox.standing()
        except SandboxError as error:
            return [Check("sandbox", False, str(error))]
    return [
        _layers(layers),
        # An advisory that an operator overrides is not in order; one that was heeded is.
        Check("engine", not (sandbox.warning and wanted.engine == "native"), _engine(sandbox)),
        *_tier(standing, Tier(wanted.lowest_tier)),
    ]


def _engine(sandbox: ZygoteSandbox) -> str:
    return f"{sandbox.engine}; {sandbox.warning or 'no advisory against it is known that matters here'}"


def _tier(standing: Standing, lowest: Tier) -> list[Check]:
    good = standing.tier.reaches(lowest)
    sentence = f"{standing.tier.value} (A is best), sandbox.lowest_tier is {lowest.value}"
    refusal = "" if good else ": a node does not start here"
    lifts = [Check("higher tier", True, sentence) for sentence in standing.lifts]
    return [Check("tier", good, sentence + refusal), *lifts]


def _layers(layers: Mapping[str, bool]) -> Check:
    have = ", ".join(name for name, there in layers.items() if there)
    lack = ", ".join(name for name, there in layers.items() if not there)
    return Check("sandbox", True, f"works; layers: {have}" + (f"; this kernel or user lacks: {lack}" if lack else ""))


def _config(home: Home) -> tuple[Config | None, Check]:
    try:
        config = load(home.config)
    except ConfigError as error:
        return None, Check("config", False, str(error))
    if not config.node.relays:
        return config, Check("config", False, f"{home.config}: node.relays is empty")
    return config, Check("config", True, str(home.config))


def _key(home: Home) -> Check:
    try:
        public = home.read_key().public
    except HomeError as error:
        return Check("key", False, str(error))
    if home.key.exists() and stat.S_IMODE(home.key.stat().st_mode) & 0o077:
        return Check("key", False, f"others can read it: chmod 600 {home.key}")
    return Check("key", True, npub(public))


async def _relay(url: str, gate: Gate) -> Check:
    try:
        async with asyncio.timeout(RELAY_S):
            transport = await relay_dial(gate)(normalise(url))
            await transport.close()
    except TimeoutError:
        return Check("relay", False, f"{url}: no answer within {RELAY_S:.0f} s")
    except (InvalidUrl, LinkError, OSError) as error:
        return Check("relay", False, f"{url}: {error}")
    return Check("relay", True, f"{url}: connected")
