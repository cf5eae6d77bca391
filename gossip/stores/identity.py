"""Who this node is (K2): given by the operator, or a key made once and kept."""

import os
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from gossip.core.config import Limits
from gossip.core.errors import ConfigurationError

KEY_FILE = "identity.pem"
"""In the data directory: the node's private key, PKCS #8 in PEM, mode 0600."""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The id and public key under which the cluster knows this node."""

    node_id: str
    public_key: str
    source: Literal["NODE_ID", "NODE_STATE_FILE", "own key"]
    """Where the id comes from."""


class _StateFile(msgspec.Struct, frozen=True, rename="camel"):
    node_id: str
    public_key: str


def resolve(node_id: str | None, state_file: Path | None, data_dir: Path) -> Identity:
    """The identity that the settings ask for: `NODE_ID`, `NODE_STATE_FILE`, else a key of our own.

    A key is made on the first start and kept in `data_dir`; the public key beside a bare `NODE_ID`
    is its public half too. Raises `ConfigurationError`.
    """
    if state_file is not None:
        return _from_state_file(state_file, node_id)
    public_key = _public_bytes(_own_key(data_dir / KEY_FILE))
    own_key = f"0x{public_key.hex()}"
    if node_id is not None:
        return Identity(node_id=node_id, public_key=own_key, source="NODE_ID")
    return Identity(node_id=bound_id(public_key), public_key=own_key, source="own key")


def bound_id(public_key: bytes) -> str:
    """The node id that belongs to a public key and to no other: `0x` and its SHA-256 in hex."""
    digest = Hash(SHA256())
    digest.update(public_key)
    return f"0x{digest.finalize().hex()}"


def _from_state_file(path: Path, node_id: str | None) -> Identity:
    state = _read_state_file(path)
    limits = Limits()
    _check_text(path, "nodeId", state.node_id, limits.node_id)
    _check_text(path, "publicKey", state.public_key, limits.text)
    if node_id is not None and node_id != state.node_id:
        raise ConfigurationError(
            f"NODE_ID={node_id} differs from nodeId in NODE_STATE_FILE={path}: set one of the two"
        )
    return Identity(node_id=state.node_id, public_key=state.public_key, source="NODE_STATE_FILE")


def _read_state_file(path: Path) -> _StateFile:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_StateFile)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except msgspec.ValidationError as error:
        problem = f"does not fit ({error})"
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"is not JSON ({error})"
    raise ConfigurationError(
        f"NODE_STATE_FILE={path} {problem}: name a JSON file with nodeId and publicKey as text"
    )


def _check_text(path: Path, field: str, text: str, limit: int) -> None:
    size = len(text.encode())
    if not 1 <= size <= limit:
        raise ConfigurationError(
            f"NODE_STATE_FILE={path}: {field} must have 1 to {limit} bytes, not {size}"
        )


def _own_key(path: Path) -> Ed25519PrivateKey:
    try:
        if not path.exists():
            key = Ed25519PrivateKey.generate()
            _keep(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        # Not the one just made: another worker may have been first.
        pem = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"the node's key {path} cannot be read or made ({error.strerror})"
        ) from error
    return _parse_key(path, pem)


def _parse_key(path: Path, pem: bytes) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(
            f"the node's key {path} is not an Ed25519 key in PEM: "
            "restore it, or remove it and the node gets a new id"
        )
    return key


def _keep(path: Path, pem: bytes) -> None:
    """Write the file whole or not at all, and durably: a node that forgot its key is another.

    Where there is one by now, it stays: workers of one node may start for the first time together.
    """
    # A name of our own, and mode 0600.
    with NamedTemporaryFile(dir=path.parent, prefix=f"{path.stem}-", suffix=".new") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            # Unlike a rename, it replaces nothing.
            os.link(file.name, path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
