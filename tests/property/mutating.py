"""Frames that are almost valid, made from valid ones of all kinds by a seed.

Half of the mutations change the JSON, so that what lies behind the parser is reached; the other
half change bytes. What the node under attack itself sends joins the corpus, so that a frame which
the protocol learns later is mutated as well.
"""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

from gossip.core.entries import MAX_VERSION, Entry
from gossip.core.packing import CELL, ITEM, pack
from tests.support.frames import (
    WALL,
    Frame,
    exchange,
    heartbeat,
    join,
    message,
    names,
    page,
    plain_join,
    root,
    sync,
    wire,
)

LEARNED = 200
"""Frames of the node's own that are kept; newer ones replace older ones at random."""
KEYS = tuple(f"k{number}" for number in range(20))
PEERS = ("a", "b", "p", "x", "0xme", "soak")
_STATUSES = ("alive", "suspect", "dead", "left")
_TOKENS = [b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\", b"\\u0000", b"\\ud800", b"null", b"NaN"]
_TOKENS += [b"1e999", b"-0", b"{}"]
_TOKENS += [b"\xff", b"\x00", b"\xc0\x80", b"9" * 30, b"[" * 40]
_NUMBERS = [0, -1, 255, 256, 0.5, -0.0, 1e300, 1e9, 2**53 - 1, 2**53, 2**64, 10**40, 10**400]
_TIMES = [WALL, WALL + 10**9, WALL + 86_400_000]
_TEXTS = ["", "5", "a", "0xme", "gx1", "\x00", "\u2028", "\ud800", "k" * 513, "x" * 200_000]
_URLS = [f"ws://{host}/ws" for host in ("a.example", "[", "u:p@a", "127.0.0.1", "169.254.169.254")]
_CONTAINERS = [[], {}, [[]], {"": {}}, [None] * 50, {"__proto__": 1}, {"x": "page"}, root(0, 0)]
_NASTY: list[Any] = [None, True, False, *_NUMBERS, *_TIMES, *_TEXTS, *_URLS, *_CONTAINERS, KEYS[0]]


class Mutator:
    """Makes one frame after the other; the same ones for the same seed and the same lessons."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._learned: list[bytes] = []
        self._number = 0
        self._ways: list[Callable[[bytes], bytes]] = [
            self._replace,
            self._insert,
            self._remove,
            self._repeat,
            self._splice,
        ]

    def learn(self, frame: bytes) -> None:
        """Take up a frame that a node sent."""
        if len(self._learned) < LEARNED:
            self._learned.append(frame)
        else:
            self._learned[self._rng.randrange(LEARNED)] = frame

    def next(self, sender: str) -> str | bytes:
        """A frame as it might come on the link of this peer."""
        if self._learned and self._rng.random() < 0.3:
            frame = json.loads(self._rng.choice(self._learned))
            frame["from"] = sender
        else:
            frame = self._valid(sender)
        self._number += 1
        # Now and then one that was seen before.
        frame["messageId"] = f"n{self._number - self._rng.choice([0] * 9 + [5])}"
        if self._rng.random() < 0.6:
            frame = self._mutated(frame)
        text = json.dumps(frame, ensure_ascii=self._rng.random() < 0.5).encode(
            errors="surrogatepass"
        )
        if self._rng.random() < 0.3:
            for _ in range(self._rng.randint(1, 3)):
                text = self._rng.choice(self._ways)(text)
        return text if self._rng.random() < 0.5 else text.decode(errors="replace")

    def _valid(self, sender: str) -> Frame:
        """A frame of any kind."""
        rng = self._rng
        kinds = [self._membership, self._membership, self._data, self._exchange]
        return rng.choice(kinds)(sender, rng.randint(0, 5))

    def _membership(self, sender: str, ttl: int) -> Frame:
        rng = self._rng
        match rng.randrange(5):
            case 0:
                return join(sender, ttl=ttl, **self._roots())
            case 1:
                return plain_join(sender, ttl=ttl)
            case 2:
                return names(sender, [f"m{rng.randrange(1_000)}" for _ in range(rng.randrange(6))])
            case 3:
                news = [[rng.choice(PEERS), WALL + rng.randrange(9), rng.choice(_STATUSES)]]
                pulled = [["p", rng.randrange(100), WALL]]
                return heartbeat(sender, ttl=min(ttl, 1), pulled=pulled, news=news, **self._roots())
            case _:
                return message("leave", sender, {"reason": "x"}, ttl)

    def _data(self, sender: str, ttl: int) -> Frame:
        if self._rng.random() < 0.3:
            [entry] = sync(sender, self._entry())["data"]
            return message("gossip", sender, entry, ttl)
        return sync(sender, *self._entries(), hops=self._rng.choice([None, 0, 3]))

    def _exchange(self, sender: str, _ttl: int) -> Frame:
        rng, roots = self._rng, self._roots()
        if rng.random() < 0.5:
            return self._session(sender, roots)
        match rng.randrange(5):
            case 0:
                return exchange(sender, "root", answer=rng.random() < 0.5, **roots)
            case 1:
                return exchange(sender, "page", after=rng.choice(["", *KEYS]))
            case 2:
                following = rng.choice([None, *KEYS])
                return page(sender, *self._entries(), next=following, root=roots["root"])
            case 3:
                return exchange(sender, "members")
            case _:
                peers = [{"id": rng.choice(PEERS), "gossipEndpoint": "ws://m.example/ws"}]
                return exchange(sender, "members", peers=peers)

    def _session(self, sender: str, roots: dict[str, Any]) -> Frame:
        """What two peers say in a session of repair (A2)."""
        rng = self._rng
        common = {"range": rng.choice(["", "", "a", "0f"]), "first": rng.choice([0, 0, 24])}
        entries = [wire(entry) for entry in self._entries()]
        match rng.randrange(6):
            case 0:
                size = rng.choice([1, 24, 96, 5_000])
                return exchange(sender, "sketch", size=size, root=roots["root"], **common)
            case 1:
                cells = pack([rng.getrandbits(88) for _ in range(rng.choice([0, 1, 24]))], CELL)
                return exchange(sender, "sketch", cells=cells, root=roots["root"], **common)
            case 2:
                items = pack([rng.getrandbits(120) for _ in range(rng.randrange(4))], ITEM)
                return exchange(sender, "want", items=items)
            case 3:
                done = rng.randrange(4)
                return exchange(sender, "want", entries=entries, done=done, root=roots["root"])
            case 4:
                return exchange(sender, "push", entries=entries, root=roots["root"])
            case _:
                return exchange(sender, "held", root=roots["root"], of=self._root())

    def _roots(self) -> dict[str, Any]:
        return {"root": self._root(), "mroot": self._root()}

    def _root(self) -> Frame:
        return root(self._rng.randrange(4), self._rng.getrandbits(128))

    def _entries(self) -> list[Entry]:
        return [self._entry() for _ in range(self._rng.randrange(6))]

    def _entry(self) -> Entry:
        rng = self._rng
        version = rng.choice([rng.randint(1, 9), WALL + rng.randrange(1_000), MAX_VERSION])
        value = rng.choice(
            [None, b"1", b'{"a":[1,null]}', b'"' + b"v" * rng.randrange(2_000) + b'"']
        )
        expires_at = rng.choice([None, WALL])
        return Entry(rng.choice(KEYS), version, value, expires_at, timestamp=version, origin="a")

    # The structure

    def _mutated(self, frame: Frame) -> Any:
        frame = copy.deepcopy(frame)
        for _ in range(self._rng.randint(1, 3)):
            places = [(frame, field) for field in frame]
            places += [place for part in frame.values() for place in _places(part)]
            if not places:
                break
            container, field = self._rng.choice(places)
            self._change(container, field)
        return frame

    def _change(self, container: Any, field: Any) -> None:
        rng = self._rng
        match rng.randrange(6):
            case 0 | 1 | 2:
                container[field] = copy.deepcopy(rng.choice(_NASTY))
            case 3:
                del container[field]
            case 4:
                container[field] = [copy.deepcopy(container[field])] * rng.choice([1, 2, 30])
            case _:
                for _ in range(rng.choice([1, 30, 35])):
                    container[field] = {"k": container[field]}

    # The bytes

    def _at(self, text: bytes) -> int:
        return self._rng.randrange(len(text) + 1)

    def _replace(self, text: bytes) -> bytes:
        at = self._at(text)
        return text[:at] + bytes([self._rng.randrange(256)]) + text[at + 1 :]

    def _insert(self, text: bytes) -> bytes:
        at = self._at(text)
        return text[:at] + self._rng.choice(_TOKENS) + text[at:]

    def _remove(self, text: bytes) -> bytes:
        at = self._at(text)
        return text[:at] + text[at + self._rng.randint(1, 20) :]

    def _repeat(self, text: bytes) -> bytes:
        at = self._at(text)
        return text[:at] + text[at : at + 40] * self._rng.choice([2, 50]) + text[at:]

    def _splice(self, text: bytes) -> bytes:
        other = self._rng.choice(self._learned) if self._learned else text[::-1]
        return text[: self._at(text)] + other[self._at(other) :]


def _places(part: Any) -> list[tuple[Any, Any]]:
    """Every place below this value where something stands."""
    if isinstance(part, dict):
        fields: list[Any] = list(part)
    elif isinstance(part, list):
        fields = list(range(len(part)))
    else:
        return []
    found = [(part, field) for field in fields]
    for field in fields:
        found += _places(part[field])
    return found
