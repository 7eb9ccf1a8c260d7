"""The one door to the network: every outbound connection of the node is made here.

`parse_url` turns text into a `Target` by strict rules; `Gate.connect` resolves it, refuses every address that
is not public (or named by the operator), and connects to exactly the address it has judged. Relay dialling
and component fetching both start here; no other file of the node opens a socket to somewhere else.
"""

from dvm.gate.address import classify
from dvm.gate.connect import Gate, GatePolicy, Unreachable
from dvm.gate.url import Refused, Target, parse_url

__all__ = ["Gate", "GatePolicy", "Refused", "Target", "Unreachable", "classify", "parse_url"]
