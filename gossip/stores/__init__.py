"""What outlives the process: the journal, the lock of the data directory, the node's identity."""
