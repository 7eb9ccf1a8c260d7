"""`dvm config check`: whether the configuration can be used, every problem at once."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

from dvm.cli.options import add_home, home_of
from dvm.cli.terminal import CONFIG, Voice, complain, print_json
from dvm.config import ConfigError, load
from dvm.node import operators_gate

DESCRIPTION = "Check the configuration file; all its problems are named at once. --json prints every value in force."
EPILOG = """\
example:
  dvm config check --home ~/second-node

exit codes:
  0   it can be used
  78  it has to be mended
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    parser.add_argument("action", nargs="?", choices=["check"], default="check", help="what to do (default: check)")
    add_home(parser)
    parser.add_argument("--json", action="store_true", help="print the whole configuration as JSON")


def run(args: argparse.Namespace) -> int:
    """The command."""
    path = home_of(args).config
    try:
        config = load(path)
        operators_gate(config, path)
    except ConfigError as error:
        for problem in error.problems:
            complain(f"{path}: {problem}")
        return CONFIG
    if args.json:
        print_json(asdict(config))
    else:
        Voice.on(sys.stdout).say(f"{path} can be used")
    return 0
