"""One node in several processes: web processes at the edge, a worker with the engine.

    peers ─── WebSocket ───▶ web process ┐                        ┌▶ engine (Hub, NodePort)
                                         ├─▶ channel layer ─▶ worker
    clients ──── HTTP ─────▶ web process ┘                        └▶ shared view
                                 ▲                                        │
                                 └──────────────── reads ─────────────────┘

`stream` makes a reliable connection of the layer, which loses messages; `items` says what travels
on it. `web_side` and `worker_side` are its two ends, with a `web_link` there for each connection of
a peer and a `worker_session` here for each web process.
"""
