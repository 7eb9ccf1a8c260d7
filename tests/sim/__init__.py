"""The node in a simulated world: virtual time, seeded chance, relays that misbehave, a crash at every failpoint.

Real are the engine, the batch, the scheduler, the performer, the outbox, the intake, the core that connects them, the
store on a real SQLite file, and the relay client down to its transport. Simulated are the clock, the wire, the relays,
the customers, and the two rooms that would fetch and run components. One seed is one run, to the last step:

    python -m tests.sim --seed 7 --trace
"""
