"""Django's admin for one node: what it stores, whom it knows, what it refused.

Loaded with the first request below `/admin/`: a node that nobody administers pays nothing for it.
What changes anything goes through `gossip.services`, as everything does.
"""
