"""The HTTP interface: DRF views over `gossip.services`, nothing but JSON."""
