"""A worker that stops itself at one step of a write, as a crash or a paused machine would.

    python -m tests.support.halting STEP SIGNAL NUMBER

runs `manage.py rungossip --no-web`, and sends itself the signal the NUMBERth time that it comes to
this step:

    committed   the write is in the database, and nobody knows yet
    shown       it is in the shared view, and not acknowledged
    writing     a transaction is open

Only at the last one it holds the database.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

import django

STEPS = ("committed", "shown")
WRITING = "writing"


def main(step: str, number: signal.Signals, count: int) -> None:
    """Run a worker until then."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gossipnode.settings")
    django.setup()
    from django.core.management import execute_from_command_line

    from gossip.stores import journal, rows
    from gossip.stores.journal import DatabaseJournal
    from gossip.stores.view import SharedView

    left = count
    transaction = threading.Lock()

    def halt() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            # To this very thread: sent to the process, the signal is another thread's to take, and
            # this one goes on until that has its turn.
            signal.pthread_kill(threading.get_ident(), number)

    transact, durable = DatabaseJournal._transact, DatabaseJournal._durable
    upsert, apply = rows.upsert_entries, SharedView.apply

    def outside(thread: Callable[[], None]) -> None:
        with transaction:
            thread()

    def around_transaction(journal: DatabaseJournal, group: Any) -> None:
        with transaction:
            transact(journal, group)

    def within_transaction(alias: str, entries: Any) -> int:
        stored = upsert(alias, entries)
        if step == WRITING:
            halt()
        return stored

    def behind_commit(journal: DatabaseJournal, group: Any) -> None:
        if step == "committed" and group.writes:
            halt()
        durable(journal, group)

    async def behind_apply(view: SharedView, entries: Any, forgotten: Any, numbers: Any) -> None:
        await apply(view, entries, forgotten, numbers)
        if step == "shown" and entries:
            outside(halt)

    _replace(journal, "upsert_entries", within_transaction)
    _replace(DatabaseJournal, "_transact", around_transaction)
    _replace(DatabaseJournal, "_durable", behind_commit)
    _replace(SharedView, "apply", behind_apply)
    execute_from_command_line(["manage.py", "rungossip", "--no-web"])


def _replace(owner: object, name: str, by: Callable[..., Any]) -> None:
    setattr(owner, name, by)


if __name__ == "__main__":
    main(sys.argv[1], signal.Signals[sys.argv[2]], int(sys.argv[3]))
