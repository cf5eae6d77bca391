"""gossipnode: services that find each other, watch each other and share a replicated state."""

__version__ = "0.1.0"
