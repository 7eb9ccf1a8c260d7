"""The command line. One file per command; this one chooses the command and turns errors into one line and a code.

A command module has `configure(parser)` and `run(args) -> exit code`. Only the chosen one is imported, so that
`dvm jobs` does not pay for the WebAssembly engine. No command keeps state of its own.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from dvm.cli.terminal import Trouble, complain, safe

COMMANDS = {
    "demo": "watch one job end to end on this machine",
    "init": "make a home for a node: configuration and key",
    "run": "run the node in the foreground",
    "status": "how the running node stands: relays, live jobs",
    "jobs": "the node's jobs, and the story of each",
    "submit": "publish a job and wait for its result",
    "verify": "run a result's job again and compare",
    "keys": "the node's public key",
    "config": "check the configuration",
    "doctor": "whether this machine can run a node",
}
INTERRUPTED = 130
INTERNAL = 70
"""EX_SOFTWARE of sysexits.h: none of the ordinary ends that the command's help lists."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    options: argparse.Namespace | None = None
    try:
        options, module = _parse(arguments)
        code: int = module.run(options)
        sys.stdout.flush()
        return code
    except Trouble as trouble:
        complain(str(trouble))
        return trouble.code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains at exit
        return 1
    except Exception as error:
        if options is not None and options.verbose:
            traceback.print_exc()
        complain(f"{_sentence(error)} (--verbose shows where)")
        return INTERNAL


def _parse(arguments: list[str]) -> tuple[argparse.Namespace, Any]:
    parser = argparse.ArgumentParser(
        prog="dvm",
        description="A Nostr data vending machine that runs WebAssembly components for anybody who asks.",
        epilog="`dvm COMMAND --help` explains a command, with an example and its exit codes.",
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"dvm {_version()}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    module = None
    # The command is the first word that is one: options before it, such as --version, take no value.
    chosen = next((word for word in arguments if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
        )
        command.add_argument("--verbose", action="store_true", help="say more; show where an error came from")
        if name == chosen:
            module = import_module(f"dvm.cli.{name}")
            module.configure(command)
    return parser.parse_args(arguments), module


def _version() -> str:
    try:
        return version("dvm")
    except PackageNotFoundError:
        return "(not installed)"


def _sentence(error: BaseException) -> str:
    """The innermost cause in one line. Our own errors are sentences; others need their kind to be understood."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    text, kind = safe(str(error)), type(error)
    if text and kind.__module__.partition(".")[0] in ("dvm", "jobs", "relayclient"):
        return text
    return f"{kind.__name__}: {text}" if text else kind.__name__
