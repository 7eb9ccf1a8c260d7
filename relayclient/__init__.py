"""Nostr over relays: values verified by construction, a session without I/O, a pool that keeps links alive.

A library of its own: it knows nothing of jobs or of the node. What is pure and what awaits can be seen from the file
names: only `connection.py` and `pool.py` touch asyncio and sockets; all other modules are functions of their arguments.

    event, keys, tags, filters   values: an `Event` exists only with its id and signature checked
    messages, verdicts, news     what goes over the wire, what a relay's answer means, what the caller is told
    strictjson, schnorr, urls    the doors: JSON, signatures, relay addresses
    protocol, catchup, backoff   one relay's session: frames in, frames out, news out, next deadline
    connection, pool             sockets and tasks

Nothing is imported here, so that `import relayclient.event` costs what it needs and no more.
"""
