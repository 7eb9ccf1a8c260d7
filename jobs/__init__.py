"""What a job is, and every decision about one.

Pure: no async, clock, randomness, socket, file or SQL. Facts come in, orders go out, `now` is an argument.
The counterpart that carries out the orders is the package `dvm`.
"""
