"""What runs the core: one task that owns the node, and everything that feeds it.

| module | what lives there |
|---|---|
| `ports` | the promises between the parts; read this first |
| `driver`, `inbox` | the one task, and what waits for it |
| `links`, `outbound` | a connection's two directions |
| `dials`, `fetches`, `tasks`, `timers` | what the node asked for and waits for |
| `engine`, `in_process` | the life of a node, and the port through which services ask it |
| `serving` | where services, transports and servers find it |
| `server`, `server_http`, `server_websocket`, `server_flow` | Daphne's server, protected |
| `application`, `lifecycle`, `daphne_command` | the same node under any ASGI server |
| `logs`, `memory`, `descriptors` | logs, the garbage collector, file descriptors |
| `websocket` | what both ends of a WebSocket hold to |
"""
