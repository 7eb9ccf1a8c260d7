"""Bringing components to this machine: hints in, a file with exactly the named digest out.

Knows the ports, the gate and the reference type of `jobs`; knows no other room, and trusts nobody but the
hash.
"""

from dvm.components.http import Timeouts
from dvm.components.source import ComponentSource

__all__ = ["ComponentSource", "Timeouts"]
