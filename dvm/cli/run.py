"""`dvm run`: the node in the foreground, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import os

from dvm import log
from dvm.cli.options import add_home, home_of
from dvm.cli.terminal import CONFIG, Trouble
from dvm.config import ConfigError, load
from dvm.home import HomeError
from dvm.node import Node

DESCRIPTION = (
    "Run the node in the foreground. SIGTERM or Ctrl-C lets running jobs end, then stops it; logs go to stderr."
)
EPILOG = """\
example:
  dvm run --home ~/.local/share/dvm

exit codes:
  0   stopped as asked; what was unfinished continues at the next start
  1   another node runs in this home
  70  a part of the node failed
  78  the configuration, the key, the database, or what this machine gives the sandbox has to be mended first
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Options."""
    parser.description, parser.epilog = DESCRIPTION, EPILOG
    add_home(parser)


def run(args: argparse.Namespace) -> int:
    """The command."""
    home = home_of(args)
    log.set_up(verbose=args.verbose, journal="JOURNAL_STREAM" in os.environ)
    try:
        node = Node(home, load(home.config))
    except (ConfigError, HomeError) as error:
        raise Trouble(str(error), CONFIG) from None
    try:
        asyncio.run(node.run())
    except HomeError as error:
        raise Trouble(str(error)) from None
    except ConfigError as error:
        raise Trouble(str(error), CONFIG) from None
    return 0
