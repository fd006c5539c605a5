"""What changed on either side of a signature: tensors that are gone, new, or called otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping
from collections.abc import Set as AbstractSet

from pytest_tfserving.compatibility.renames import find_renames, kind
from pytest_tfserving.compatibility.shapes import ShapeChange
from pytest_tfserving.compatibility.tensors import find_input_changes, find_output_changes
from pytest_tfserving.findings import Finding
from pytest_tfserving.rules import compatibility as rules
from pytest_tfserving.schema import TensorSpec

_MOST_LISTED = 6


def find_inputs(
    signature: str, old: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec], renames: Mapping[str, str]
) -> Iterator[Finding]:
    """What a request must send otherwise; `renames` are from pair_tensors."""
    unpaired = _unpaired(new, renames)
    for name in sorted(old):
        if name not in renames:
            yield Finding.of(
                rules.INPUT_REMOVED,
                f"input {name} ({old[name]}) is gone: requests that send it are refused, but for REST's columnar "
                f"format; leave it out{_candidates(old[name], unpaired)}",
                signature=signature, side="input", tensor=name, old=str(old[name]),
            )  # fmt: skip
            continue
        if renames[name] != name:
            bare = "; a lone input that REST sends bare needs no name" if len(old) == len(new) == 1 else ""
            yield Finding.of(
                rules.INPUT_RENAMED,
                f"input {name} ({old[name]}) is called {renames[name]} ({new[renames[name]]}) now: requests that send "
                f"{name} are refused{bare}; send {renames[name]}",
                signature=signature, side="input", tensor=name, old=name, new=renames[name],
            )  # fmt: skip
        yield from find_input_changes(signature, (name, renames[name]), old[name], new[renames[name]])
    for name in sorted(set(new) - set(renames.values())):
        place = {"signature": signature, "side": "input", "tensor": name, "new": str(new[name])}
        if new[name].default is None:
            yield Finding.of(
                rules.INPUT_ADDED,
                f"input {name} ({new[name]}) is new and has no default: requests without it are refused; send it",
                **place,
            )
        else:
            yield Finding.of(
                rules.INPUT_ADDED_WITH_DEFAULT,
                f"input {name} ({new[name]}) is new: gRPC requests may leave it out, REST requests without it are "
                f"refused; send it",
                **place,
            )


def find_outputs(
    signature: str,
    old: Mapping[str, TensorSpec],
    new: Mapping[str, TensorSpec],
    complete: bool,
    batch: AbstractSet[ShapeChange],
) -> Iterator[Finding]:
    """What an answer gives otherwise. Outputs that are new count where the old ones were `complete`.

    `batch` are the changes of a first dimension that inputs know as well.
    """
    renames = pair_tensors(old, new)
    unpaired = _unpaired(new, renames)
    for name in sorted(old):
        if name not in renames:
            yield Finding.of(
                rules.OUTPUT_REMOVED,
                f"output {name} ({old[name]}) is gone: answers lack it, and gRPC requests that filter for it are "
                f"refused; do not read it{_candidates(old[name], unpaired)}",
                signature=signature, side="output", tensor=name, old=str(old[name]),
            )  # fmt: skip
            continue
        if renames[name] != name:
            bare = "; a lone output has no name in REST's answers" if len(old) == len(new) == 1 else ""
            yield Finding.of(
                rules.OUTPUT_RENAMED,
                f"output {name} ({old[name]}) is called {renames[name]} ({new[renames[name]]}) now: clients find no "
                f"{name} in the answer{bare}; read {renames[name]}",
                signature=signature, side="output", tensor=name, old=name, new=renames[name],
            )  # fmt: skip
        yield from find_output_changes(signature, (name, renames[name]), old[name], new[renames[name]], batch)
    for name in sorted(set(new) - set(renames.values())) if complete else ():
        yield Finding.of(
            rules.OUTPUT_ADDED,
            f"output {name} ({new[name]}) is new: an answer has one entry more",
            signature=signature, side="output", tensor=name, new=str(new[name]),
        )  # fmt: skip


def pair_tensors(old: Mapping[str, TensorSpec], new: Mapping[str, TensorSpec]) -> dict[str, str]:
    """The names of `new` by those of `old`, of what is there under its own or another name."""
    same = {name: name for name in old if name in new}
    removed = {name: old[name] for name in sorted(old) if name not in new}
    added = {name: new[name] for name in sorted(new) if name not in old}
    return same | find_renames(removed, added)


def _unpaired(new: Mapping[str, TensorSpec], renames: Mapping[str, str]) -> Mapping[Hashable, list[str]]:
    """The names of new tensors that nothing became, by dtype and shape."""
    taken = set(renames.values())
    names: dict[Hashable, list[str]] = defaultdict(list)
    for name in sorted(new):
        if name not in taken:
            names[kind(new[name])].append(name)
    return names


def _candidates(gone: TensorSpec, unpaired: Mapping[Hashable, list[str]]) -> str:
    """Several new tensors that one may have become, as a clause."""
    names = unpaired.get(kind(gone), [])[:_MOST_LISTED]
    return f" (it may have become one of {', '.join(names)})" if len(names) > 1 else ""
