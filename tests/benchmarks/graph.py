"""The graph that the links of nodes make, as the kernel has it: no node is asked."""

from collections.abc import Iterable, Iterator

from tests.support.process import NodeProcess, sockets


def parts(nodes: Iterable[NodeProcess]) -> list[set[int]]:
    """The parts that the connections among these make, by port; one where the graph is whole."""
    names = {node.port: node.open_files() for node in nodes}
    held = {name: port for port, files in names.items() for name in files}
    owners = {ends: held[name] for ends, name in sockets().items() if name in held}
    return joined(names, _pairs(owners))


def joined(names: Iterable[int], pairs: Iterable[tuple[int, int]]) -> list[set[int]]:
    """What hangs together if these pairs do."""
    found = [{name} for name in names]
    for pair in pairs:
        part = set[int]().union(*(each for each in found if not each.isdisjoint(pair)))
        found = [each for each in found if each.isdisjoint(pair)] + [part]
    return found


def _pairs(owners: dict[tuple[int, int], int]) -> Iterator[tuple[int, int]]:
    """The two that hold the ends of one connection."""
    for (here, there), owner in owners.items():
        other = owners.get((there, here))
        if other is not None:
            yield owner, other
