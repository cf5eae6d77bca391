"""The status page at `/`: rendered by the server, live by a small script."""
