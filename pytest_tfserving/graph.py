"""What of a graph runs when: which ops are behind a signature's outputs, which are there to load or to save only.

A node runs if what is fetched needs it (tensorflow/core/graph/subgraph.cc: from the fetched nodes back along inputs,
up to what is fed). A function's body counts whole: what does not matter for its outputs was taken out when it was
traced, and what has side effects runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator

from pytest_tfserving.wire import tensorflow_pb2 as tf


class Graph:
    """The nodes of a MetaGraphDef and of the functions that it brings along."""

    def __init__(self, meta_graph: tf.MetaGraphDef) -> None:
        self._nodes = {node.name: node for node in meta_graph.graph_def.node}
        self._functions = {f.signature.name: f for f in meta_graph.graph_def.library.function}
        self._bodies: dict[str, tuple[frozenset[str], frozenset[str]]] = {}

    def has_node(self, tensor: str) -> bool:
        """Whether the node of a tensor `node:0` is there."""
        return _node_of(tensor) in self._nodes

    def count_ops(self) -> Counter[str]:
        """How many nodes each op has, in the graph and in all functions; a call of a function is no op."""
        counts = Counter(node.op for node in self._nodes.values())
        for function in self._functions.values():
            counts.update(node.op for node in function.node_def)
        for name in self._functions:
            counts.pop(name, None)
        return counts

    def loaded_ops(self) -> frozenset[str]:
        """The ops of every node and of the functions that they call: what a server must know to load the graph."""
        return self._ops_of(self._nodes.values())

    def ops_behind(self, fetched: Iterable[str], fed: Iterable[str] = ()) -> frozenset[str]:
        """The ops that run when tensors (or nodes) are fetched while others are fed, all by name."""
        return self._ops_of(self._behind(fetched, fed))

    def names_behind(self, ops: Collection[str], fetched: Iterable[str], fed: Iterable[str] = ()) -> frozenset[str]:
        """What is held by nodes of some ops, such as variables, of those that run: two with one shared_name are one."""
        return frozenset(
            node.attr["shared_name"].s.decode("utf-8", "replace") if node.attr["shared_name"].s else node.name
            for node in self._behind(fetched, fed)
            if node.op in ops
        )

    def _behind(self, fetched: Iterable[str], fed: Iterable[str]) -> Collection[tf.NodeDef]:
        """The nodes that run when tensors are fetched while others are fed."""
        given = frozenset(map(_tensor, fed))
        waiting = [_node_of(name) for name in fetched if _tensor(name) not in given]
        found: dict[str, tf.NodeDef] = {}
        while waiting:
            name = waiting.pop()
            if name in found or name not in self._nodes:
                continue
            found[name] = node = self._nodes[name]
            waiting.extend(_node_of(tensor) for tensor in node.input if _tensor(tensor) not in given)
        return found.values()

    def _ops_of(self, nodes: Collection[tf.NodeDef]) -> frozenset[str]:
        ops = {node.op for node in nodes if node.op not in self._functions}
        waiting = {name for node in nodes for name in self._called_by(node)}
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            seen.add(name)
            more, called = self._body(name)
            ops |= more
            waiting |= called - seen
        return frozenset(ops)

    def _body(self, name: str) -> tuple[frozenset[str], frozenset[str]]:
        """The ops of a function's own nodes, and the functions that they call."""
        if name not in self._bodies:
            nodes = self._functions[name].node_def
            self._bodies[name] = (
                frozenset(node.op for node in nodes if node.op not in self._functions),
                frozenset(called for node in nodes for called in self._called_by(node)),
            )
        return self._bodies[name]

    def _called_by(self, node: tf.NodeDef) -> Iterator[str]:
        """A node calls a function by its op, or by an attribute: the body of a loop, the function of a call."""
        if not self._functions:  # most of a TF1 graph's time, and it has many nodes
            return
        if node.op in self._functions:
            yield node.op
        for value in node.attr.values():
            kind = value.WhichOneof("value")
            if kind is None:
                continue
            for function in [value.func] if kind == "func" else value.list.func:
                if function.name in self._functions:
                    yield function.name


def _node_of(tensor: str) -> str:
    """The node of `node`, `node:1` and `^node`."""
    return tensor.removeprefix("^").partition(":")[0]


def _tensor(name: str) -> str:
    """The full name of a tensor: `node` is `node:0`. (`^node` waits for a node; what comes of it is never fed.)"""
    return name if ":" in name else f"{name}:0"
