"""One key's version: what travels, what is stored, and which of two wins.

The order is total (E3), so merging is taking the greater: commutative, associative, idempotent.
Every node that has seen the same entries holds the same map, whatever their order of arrival.
"""

from hashlib import sha256

import msgspec

from gossip.core.values import MAX_SAFE_INTEGER, canonical

MAX_VERSION = MAX_SAFE_INTEGER
"""Versions are integers that JavaScript holds exactly (R5)."""


class Entry(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A key with a version and a value, or a tombstone (E1).

    Two entries are equal when they are the same update; `timestamp` and `origin` are information
    and do not count.
    """

    key: str
    version: int
    """1 … 2^53 - 1; by custom milliseconds of the writer's clock."""
    value: bytes | None
    """Normalised JSON text (see `values`); None is a tombstone (E5)."""
    expires_at: int | None = None
    """Milliseconds of wall time (E6)."""
    timestamp: int = 0
    """Milliseconds of the writer's clock, for people."""
    origin: str | None = None
    """Node id of the writer, for people."""
    _value_hash: bytes | None = None
    _hash: int | None = None

    @property
    def deleted(self) -> bool:
        return self.value is None

    def lasts(self, wall: int) -> bool:
        """Whether a reader sees a value at this time: not deleted, not expired (E5, E6)."""
        return self.value is not None and (self.expires_at is None or wall < self.expires_at)

    @property
    def value_hash(self) -> bytes:
        """SHA-256 of the RFC 8785 bytes of the value; empty for a tombstone. Computed once."""
        if self._value_hash is None:
            digest = b"" if self.value is None else sha256(canonical(self.value)).digest()
            msgspec.structs.force_setattr(self, "_value_hash", digest)
            return digest
        return self._value_hash

    @property
    def hash(self) -> int:
        """The 64 bits by which sets of entries are compared (A1, section 10). Computed once."""
        if self._hash is None:
            identity = [
                sha256(self.key.encode()).hexdigest(),
                self.version,
                self.deleted,
                None if self.deleted else self.value_hash.hex(),
                self.expires_at,
            ]
            # Strings of hex digits, integers, booleans and null: their plain JSON is RFC 8785.
            digest = sha256(msgspec.json.encode(identity)).digest()
            computed = int.from_bytes(digest[:8], "big")
            msgspec.structs.force_setattr(self, "_hash", computed)
            return computed
        return self._hash

    @property
    def tag(self) -> str:
        """Names this update of its key where another one may have the same version."""
        return f"{self.version}-{self.value_hash.hex()[:8]}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Entry):
            return NotImplemented
        return (
            self.key == other.key
            and self.version == other.version
            and self.expires_at == other.expires_at
            and (self.value == other.value or self.value_hash == other.value_hash)
        )

    def __hash__(self) -> int:
        return hash((self.key, self.version))

    def raised_to(self, version: int) -> "Entry":
        """The same update with another version (E3, E4)."""
        return Entry(
            self.key, version, self.value, self.expires_at, self.timestamp, self.origin,
            self._value_hash,
        )  # fmt: skip

    def ended(self) -> "Entry":
        """The tombstone that follows when it expires, the same wherever that is made (E6)."""
        return Entry(self.key, self.version + 1, None, None, self.expires_at or 0, self.origin)

    def ties(self, other: "Entry") -> bool:
        """Whether both have the same version and differ in more than their expiry (E3)."""
        if self.version != other.version or self.value == other.value:
            return False
        return self.deleted != other.deleted or self.value_hash != other.value_hash

    def supersedes(self, other: "Entry | None") -> bool:
        """Whether this entry wins over another of the same key (E3). Equal ones do not."""
        if other is None:
            return True
        if self.version != other.version:
            return self.version > other.version
        if self == other:
            return False
        return self.rank > other.rank

    @property
    def rank(self) -> tuple[int, bool, bytes, int]:
        """The order of E3: version, tombstone, value hash, expiry (sooner is greater)."""
        expiry = 0 if self.expires_at is None else MAX_VERSION + 1 - self.expires_at
        return self.version, self.deleted, self.value_hash, expiry


def restored(
    key: str,
    version: int,
    value: bytes | None,
    expires_at: int | None,
    timestamp: int,
    origin: str | None,
    value_hash: bytes,
    entry_hash: int,
) -> Entry:
    """An entry from the store, with the hashes stored beside it, so that a start hashes nothing."""
    return Entry(key, version, value, expires_at, timestamp, origin, value_hash, entry_hash)
