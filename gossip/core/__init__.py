"""The gossip protocol as a machine without I/O.

`Node.handle(event, now)` is the one door: whatever can happen to a node is a value from
`events`, whatever the node wants done is a value from `effects`. Nothing here reads a clock,
opens a socket or calls the global random generator, so the same code runs under a server and
in the simulator, and the same seed gives the same trace.

| module | what lives there |
|---|---|
| `config` | every number the protocol depends on, validated once |
| `errors` | whose fault an error is, and what state it leaves |
| `events`, `effects` | the two sides of the door |
| `values`, `entries`, `state` | JSON as JavaScript holds it; versions and their order; the map |
| `messages` | the five types |
| `decoding`, `encoding`, `wire` | bytes to typed message, limits checked; and back |
| `members`, `detector` | who is in the cluster; when silence becomes suspicion |
| `links`, `dialing` | the connections we hold; whom to dial, and when |
| `spread` | the message history, and eager push in batches |
| `roots` | the summary by which two sets are compared |
| `addresses` | which endpoints may be dialed |
| `replica`, `reconcile` | two of the machines: entries in and out; repair |
| `membership`, `plain` | the others: what is said of them; the nodes deployed in the field |
| `roster`, `contacts`, `silence` | who is listed; how we get to them; who is not heard of |
| `news`, `rumors` | what peers tell of members, and refutations; what waits to be told |
| `ties` | equal versions that plain peers must be told of |
| `context` | what these machines share |
| `node` | the door, and who is behind it |
"""
