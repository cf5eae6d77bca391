"""The gossip protocol as a machine without I/O.

`Node.handle(event, now)` is the one door: whatever can happen to a node is a value from
`events`, whatever the node wants done is a value from `effects`. Nothing here reads a clock,
opens a socket or calls the global random generator, so the same code runs under a server and
in the simulator, and the same seed gives the same trace.

Where what lives:

- the door: `node`; what goes in, `events`, and what comes out, `effects`
- what all share: `config`, every number, checked once; `context`, `errors`, `stats`
- messages: `messages`, as values; `decoding` and `encoding`, with `fields`, `wire`, `packing`;
  `exchanges`, those that plain peers never see
- the state: `values`, `entries`, `conditions`; `state`, the map; `summary`, `roots`, `sketch`, what
  is said of it as a set; `clocks`, `expiry`, `tombstones`
- pushing it: `replica`, with `spread` and, in a crowd, `plumtree`
- repairing it: `reconcile`, with `sessions`, `answers`, `intake`, `digests`, `partner`
- members: `members`, the table, with `census` and `graveyard`; `roster`, who changes it;
  `membership`, what is said of them; `naming`, who asks whom for them; `news`, `rumors`
- failures: `probes`, with `errands`, `pings`, `patience`; `silence`, `detector`
- links: `links`; `contacts`, with `dialing`, `addresses`; in a crowd `overlay`, with `degree`
- the nodes deployed in the field: `plain`, with `plain_answers`, `ties`
"""
