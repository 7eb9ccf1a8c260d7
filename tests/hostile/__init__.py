"""Programs that want to hurt the node, each with the one end it may come to.

`corpus.ROWS` is the list; `test_hostile.py` puts every row through the real sandbox; docs/hostile.md is its table.
"""
