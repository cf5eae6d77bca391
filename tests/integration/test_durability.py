"""What was acknowledged survives a crash at the next instant (E7)."""

from concurrent.futures import ThreadPoolExecutor

from tests.support.process import NodeProcess

CRASHES = 20


def test_an_answered_write_survives_a_crash_right_after_it(node: NodeProcess) -> None:
    written: dict[str, int] = {}
    for number in range(CRASHES):
        node.start()
        node.wait_ready()
        assert node.client.data() == written
        node.client.set(f"key-{number}", number)
        node.kill()
        written[f"key-{number}"] = number
    node.start()
    node.wait_ready()
    assert node.client.data() == written


def test_no_answered_write_is_lost_by_a_crash_among_many(node: NodeProcess) -> None:
    node.start()
    node.wait_ready()

    def write_until_it_dies(writer: int) -> set[str]:
        answered: set[str] = set()
        while True:
            key = f"{writer}-{len(answered)}"
            if len(answered) == 50:
                # Once: the others are in the middle of theirs.
                node.kill()
            try:
                if node.client.post(key, writer).status != 201:
                    return answered
            except OSError:
                return answered
            answered.add(key)

    with ThreadPoolExecutor(4) as writers:
        answered = set().union(*writers.map(write_until_it_dies, range(4)))
    assert len(answered) >= 50
    node.start()
    node.wait_ready()
    assert answered <= node.client.data().keys()
