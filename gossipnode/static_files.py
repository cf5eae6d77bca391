"""Files below `STATIC_URL`, before Django: what apps bring in their `static` directories.

They are found where Django's finders look, with nothing to collect, and listed once, at the first
request for one: a node that nobody looks at pays nothing, and no path of a request ever reaches
the disk. What changes on disk afterwards is served after a restart.
"""

import asyncio
import posixpath
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings

from gossip.asgi import Application, Receive, Scope, Send
from gossipnode.late import Late

if TYPE_CHECKING:
    from wsgiref.headers import Headers

MAX_AGE: Final = 60
"""Seconds for which a browser asks nothing; then an `ETag` spares the rest. Names of files carry no
hash, so a longer time would mix the files of two releases."""
AT_ONCE: Final = 32
"""Files on their way at once: each holds a descriptor and a thread, and others wait their turn."""


class StaticFiles:
    """Serves static files; everything else, and what is not found, goes to `application`."""

    def __init__(self, application: Application) -> None:
        self._application = application
        self._prefix: str = settings.STATIC_URL
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._serve = Late(self._list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        if not scope["path"].startswith(self._prefix):
            await self._application(scope, receive, send)
            return
        await self._serve(scope, receive, send)

    def _list(self) -> Application:
        from django.contrib.staticfiles import finders
        from servestatic import ServeStaticASGI

        files: Any = ServeStaticASGI(
            self._application,
            max_age=MAX_AGE,
            allow_all_origins=False,
            add_headers_function=_harden,
        )
        for finder in finders.get_finders():
            for path, storage in finder.list([]):
                url = posixpath.join(self._prefix, getattr(storage, "prefix", None) or "", path)
                # As for Django's own commands, the first finder counts.
                if url not in files.files:
                    files.add_file_to_dictionary(url, storage.path(path))

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["path"] not in files.files:
                await self._application(scope, receive, send)
                return
            async with self._turns:
                await files(scope, receive, send)

        return serve


def _harden(headers: "Headers", _path: str, _url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    # Nothing may run in an image that is opened by itself.
    headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
