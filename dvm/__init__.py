"""The node: ports, the rooms behind them, and the wiring. `dvm` does; what to do is decided in `jobs`."""
