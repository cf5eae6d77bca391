import json
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gossip.core.errors import ConfigurationError
from gossip.stores.identity import KEY_FILE, Identity, resolve

GIVEN = {"nodeId": "0xabc", "publicKey": "0xdef", "privateKey": "of no interest"}


def state_file(directory: Path, content: object) -> Path:
    path = directory / "state.json"
    path.write_text(json.dumps(content))
    return path


def test_a_made_identity_is_kept(tmp_path: Path) -> None:
    made = resolve(None, None, tmp_path)
    assert made.source == "own key"
    assert resolve(None, None, tmp_path) == made


def test_the_id_is_bound_to_the_key(tmp_path: Path) -> None:
    made = resolve(None, None, tmp_path)
    key = bytes.fromhex(made.public_key.removeprefix("0x"))
    assert len(key) == 32
    assert made.node_id == f"0x{sha256(key).hexdigest()}"


def test_two_nodes_are_two(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert resolve(None, None, tmp_path) != resolve(None, None, tmp_path / "other")


def test_only_the_owner_reads_the_key_and_nothing_else_is_left(tmp_path: Path) -> None:
    resolve(None, None, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [KEY_FILE]
    assert stat.S_IMODE((tmp_path / KEY_FILE).stat().st_mode) == 0o600


def test_a_start_broken_off_while_making_the_key_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).with_suffix(".new").write_text("half a k")
    made = resolve(None, None, tmp_path)
    assert resolve(None, None, tmp_path) == made


def test_who_start_for_the_first_time_together_are_one_node(tmp_path: Path) -> None:
    together = threading.Barrier(8)

    def start(directory: Path) -> Identity:
        together.wait(10)
        return resolve(None, None, directory)

    with ThreadPoolExecutor(8) as pool:
        for number in range(10):
            directory = tmp_path / str(number)
            directory.mkdir()
            made = set(pool.map(start, [directory] * 8))
            assert made == {resolve(None, None, directory)}
            assert [path.name for path in directory.iterdir()] == [KEY_FILE]


def test_a_given_id_goes_with_the_made_key(tmp_path: Path) -> None:
    made = resolve(None, None, tmp_path)
    given = resolve("node-7", None, tmp_path)
    assert given == Identity(node_id="node-7", public_key=made.public_key, source="NODE_ID")


@pytest.mark.parametrize("node_id", [None, "0xabc"])
def test_a_state_file_gives_both_and_no_key_is_made(tmp_path: Path, node_id: str | None) -> None:
    path = state_file(tmp_path, GIVEN)
    given = resolve(node_id, path, tmp_path)
    assert given == Identity(node_id="0xabc", public_key="0xdef", source="NODE_STATE_FILE")
    assert not (tmp_path / KEY_FILE).exists()


def test_two_different_ids_are_one_too_many(tmp_path: Path) -> None:
    path = state_file(tmp_path, GIVEN)
    with pytest.raises(ConfigurationError, match=r"NODE_ID=other differs .* NODE_STATE_FILE"):
        resolve("other", path, tmp_path)


@pytest.mark.parametrize("size", [1, 256])
def test_an_id_within_the_bounds_is_taken(tmp_path: Path, size: int) -> None:
    path = state_file(tmp_path, GIVEN | {"nodeId": "n" * size, "publicKey": "k" * 2 * size})
    assert resolve(None, path, tmp_path).node_id == "n" * size


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "does not fit"),
        ({}, "does not fit"),
        ({"nodeId": "a"}, "does not fit .*publicKey"),
        (GIVEN | {"nodeId": 5}, "does not fit"),
        (GIVEN | {"publicKey": None}, "does not fit"),
        (GIVEN | {"nodeId": ""}, "nodeId must have 1 to 256 bytes"),
        (GIVEN | {"nodeId": "n" * 257}, "nodeId must have 1 to 256 bytes, not 257"),
        (GIVEN | {"nodeId": "ä" * 129}, "nodeId must have 1 to 256 bytes, not 258"),
        (GIVEN | {"publicKey": ""}, "publicKey must have 1 to 512 bytes"),
        (GIVEN | {"publicKey": "k" * 513}, "publicKey must have 1 to 512 bytes"),
    ],
)
def test_a_state_file_of_the_wrong_shape(tmp_path: Path, content: object, complaint: str) -> None:
    path = state_file(tmp_path, content)
    with pytest.raises(ConfigurationError, match=complaint) as refusal:
        resolve(None, path, tmp_path)
    assert str(refusal.value).startswith(f"NODE_STATE_FILE={path}")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("content", [b"", b"{", b"nodeId: a", b'{"nodeId": "\xff"}'])
def test_a_state_file_that_is_not_json(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"^NODE_STATE_FILE=.* is not JSON"):
        resolve(None, path, tmp_path)


def test_a_state_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^NODE_STATE_FILE=.*No such file"):
        resolve(None, tmp_path / "none.json", tmp_path)


def test_a_state_file_that_is_a_directory(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^NODE_STATE_FILE=.*Is a directory"):
        resolve(None, tmp_path, tmp_path)


def test_a_damaged_key_stops_the_start_rather_than_changing_the_node(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(ConfigurationError, match=r"identity\.pem is not an Ed25519 key") as refusal:
        resolve(None, None, tmp_path)
    assert "\n" not in str(refusal.value)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / KEY_FILE).write_bytes(pem)
    with pytest.raises(ConfigurationError, match=r"is not an Ed25519 key"):
        resolve(None, None, tmp_path)


def test_a_key_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / KEY_FILE).mkdir()
    with pytest.raises(
        ConfigurationError, match=r"identity\.pem cannot be read or made \(Is a directory\)"
    ):
        resolve(None, None, tmp_path)


def test_a_key_that_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cannot be read or made \(No such file"):
        resolve(None, None, tmp_path / "none")
