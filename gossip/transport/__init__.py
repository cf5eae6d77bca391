"""How bytes reach peers: the consumer that they dial, the client that dials them, HTTP fetches."""
