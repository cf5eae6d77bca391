"""Die at one step of the journal, and tell what was acknowledged until then.

    python -m tests.stores.crashing STEP

runs five transactions, each of which takes every step that a transaction can have, and kills itself
at this step of the third. A line of standard output is a key whose write was acknowledged.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import django

DIES_IN = 3
WRITES = 5
ACTS = ("advance_node", "upsert_entries", "delete_tombstones", "upsert_peers", "delete_peers")
"""What a transaction does, by the names of the journal's functions, in their order."""
STEPS = (
    "begin",
    *(f"{moment} {act}" for act in ACTS for moment in ("before", "behind")),
    *("before the commit", "behind the commit", "before the answer", "behind the answer"),
)


def main(step: str) -> None:
    """Write until death."""
    django.setup()
    from django.conf import settings

    from gossip.stores import journal
    from gossip.stores.directory import prepare_directory
    from gossip.stores.loading import begin_life
    from gossip.stores.migrating import prepare_database

    prepare_directory(settings.GOSSIP.data_dir)
    prepare_database()
    life = begin_life("me", 1)
    reach = _Reach(step)
    for act in ACTS:
        setattr(journal, act, reach.around(getattr(journal, act), act))
    reach.replace_transaction(journal)
    asyncio.run(_write(partial(journal.DatabaseJournal, epoch=life.epoch), reach))


class _Reach:
    """Knows the step at which it ends, and the transaction that it is in."""

    def __init__(self, step: str) -> None:
        self._step = step
        self._transactions = 0

    def at(self, step: str) -> None:
        """This step is reached."""
        if step == "begin":
            self._transactions += 1
        if step == self._step and self._transactions == DIES_IN:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, act: Callable[..., Any], name: str) -> Callable[..., Any]:
        """The act, with a step before and one behind it."""

        def stepped(*args: Any, **options: Any) -> Any:
            self.at(f"before {name}")
            result = act(*args, **options)
            self.at(f"behind {name}")
            return result

        return stepped

    def replace_transaction(self, journal: Any) -> None:
        """Let its transaction reach the steps around a commit."""
        atomic, reach = journal.transaction.atomic, self

        class Stepped:
            def __init__(self, inner: Any) -> None:
                self._inner = inner

            def __enter__(self) -> None:
                reach.at("begin")
                self._inner.__enter__()

            def __exit__(self, *error: object) -> None:
                reach.at("before the commit")
                self._inner.__exit__(*error)
                reach.at("behind the commit")

        def stepped(*args: Any, **options: Any) -> Any:
            inner = atomic(*args, **options)
            # Only the journal's own is durable; Django's are within it.
            return Stepped(inner) if options.get("durable") else inner

        journal.transaction.atomic = stepped


async def _write(make: Callable[..., Any], reach: _Reach) -> None:
    from gossip.core.entries import Entry
    from gossip.core.events import RequestId
    from gossip.core.members import PeerRecord

    answered = asyncio.Event()

    def committed(requests: tuple[RequestId, ...]) -> None:
        reach.at("before the answer")
        for request in requests:
            print(f"mine-{request}", flush=True)
        reach.at("behind the answer")
        answered.set()

    journal = make(committed, lambda _requests, _detail: os._exit(1))
    for number in range(1, WRITES + 1):
        answered.clear()
        # Under the journal's lock all of it gets into one transaction.
        with journal._changed:
            journal.store_entry(Entry(f"learned-{number}", number, b"1"))
            journal.store_entry(Entry(f"gone-{number}", number, None))
            journal.forget_entry(Entry(f"gone-{number - 1}", number - 1, None))
            journal.store_peer(PeerRecord(node_id=f"peer-{number}"))
            journal.forget_peer(f"peer-{number - 1}")
            journal.keep_incarnation(number + 1, lambda: None)
            journal.commit(RequestId(number), Entry(f"mine-{number}", number, b"1"), number)
        await answered.wait()
    await journal.close()


if __name__ == "__main__":
    main(sys.argv[1])
