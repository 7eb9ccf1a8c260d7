"""`python -m dvm.cli` is `dvm`."""

import sys

from dvm.cli import main

sys.exit(main())
