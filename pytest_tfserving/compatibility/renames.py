"""Which of what is gone came back under another name."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from pytest_tfserving.schema import TensorSpec

# Names this similar are taken for the same word: `images` and `image`, `token_ids` and `tokenIds`.
_SIMILAR = 0.7

# Past this many pairs names are not compared letter by letter: 10,000 inputs against 10,000 would take minutes.
_MOST_PAIRS = 400


def find_renames(removed: Mapping[str, TensorSpec], added: Mapping[str, TensorSpec]) -> dict[str, str]:
    """New names by old ones, of the tensors on one side of a signature.

    In this order: names that only differ in what all of them begin with; names that are much alike; the only two with
    one dtype and shape; the last two, with one dtype, or both numbers whose sizes fit each other. Names count where the
    tensors have their dtype or their shape in common. Where several fit as well, none is chosen: a removal and an
    addition say less, but nothing wrong.
    """
    renames: dict[str, str] = {}
    for pairing in (_same_but_for_prefix, _alike, _only_of_a_kind, _last_two):
        taken = set(renames.values())
        renames |= pairing(
            {name: spec for name, spec in removed.items() if name not in renames},
            {name: spec for name, spec in added.items() if name not in taken},
        )
    return renames


def only_pairs(removed: Mapping[str, Hashable], added: Mapping[str, Hashable]) -> dict[str, str]:
    """New names by old ones, where exactly one on either side is of a kind."""
    gone, new = _by_kind(removed), _by_kind(added)
    return {names[0]: new[of][0] for of, names in gone.items() if len(names) == 1 and len(new.get(of, ())) == 1}


def kind(spec: TensorSpec) -> Hashable:
    """dtype and shape; two open dimensions are alike, whatever their names and limits."""
    return spec.dtype, sizes(spec)


def sizes(spec: TensorSpec) -> tuple[int | None, ...] | None:
    """A shape with None for every open dimension."""
    return None if spec.shape is None else tuple(size if isinstance(size, int) else None for size in spec.shape)


def _by_kind(kinds: Mapping[str, Hashable]) -> dict[Hashable, list[str]]:
    names: dict[Hashable, list[str]] = defaultdict(list)
    for name, of in kinds.items():
        names[of].append(name)
    return names


def _same_but_for_prefix(removed: Mapping[str, TensorSpec], added: Mapping[str, TensorSpec]) -> dict[str, str]:
    """`serving_default_x`, `serving_default_n` that became `x`, `n`."""
    if len(removed) < 2 or len(added) < 2:
        return {}
    old_prefix, new_prefix = len(_common_prefix(removed)), len(_common_prefix(added))
    behind = {name[new_prefix:]: name for name in added}
    pairs = {name: behind.get(name[old_prefix:]) for name in removed}
    return {old: new for old, new in pairs.items() if new is not None and _related(removed[old], added[new])}


def _common_prefix(names: Iterable[str]) -> str:
    """What all names begin with, up to the end of a word."""
    first, last = min(names), max(names)
    same = next((at for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[: first.rfind("_", 0, same) + 1]


def _alike(removed: Mapping[str, TensorSpec], added: Mapping[str, TensorSpec]) -> dict[str, str]:
    if len(removed) * len(added) > _MOST_PAIRS:
        return only_pairs({name: _letters(name) for name in removed}, {name: _letters(name) for name in added})
    scored = sorted(
        (-score, old, new)
        for old in removed
        for new in added
        if _related(removed[old], added[new]) and (score := _similarity(old, new)) >= _SIMILAR
    )
    return _best(scored)


def _only_of_a_kind(removed: Mapping[str, TensorSpec], added: Mapping[str, TensorSpec]) -> dict[str, str]:
    return only_pairs(
        {name: kind(spec) for name, spec in removed.items()}, {name: kind(spec) for name, spec in added.items()}
    )


def _last_two(removed: Mapping[str, TensorSpec], added: Mapping[str, TensorSpec]) -> dict[str, str]:
    if len(removed) != 1 or len(added) != 1:
        return {}
    [(old, before)], [(new, after)] = removed.items(), added.items()
    return {old: new} if _may_be_one(before, after) else {}


def _best(scored: Sequence[tuple[float, str, str]]) -> dict[str, str]:
    """Each name once, the pairs that are most alike first."""
    renames: dict[str, str] = {}
    taken: set[str] = set()
    for _, old, new in scored:
        if old not in renames and new not in taken:
            renames[old] = new
            taken.add(new)
    return renames


def _related(old: TensorSpec, new: TensorSpec) -> bool:
    return old.dtype == new.dtype or sizes(old) == sizes(new)


def _may_be_one(old: TensorSpec, new: TensorSpec) -> bool:
    """Whether one may have become the other, whatever they are called: int32[?, 10] became float32[?, 10]."""
    numbers = not {old.dtype, new.dtype} & {"string", "bool"}
    return old.dtype == new.dtype or (numbers and _fit(sizes(old), sizes(new)))


def _fit(old: tuple[int | None, ...] | None, new: tuple[int | None, ...] | None) -> bool:
    """Whether a tensor may have both shapes."""
    if old is None or new is None:
        return True
    return len(old) == len(new) and all(a == b or a is None or b is None for a, b in zip(old, new, strict=True))


def _similarity(old: str, new: str) -> float:
    """From 0 to 1; a name within the other as whole words (`x` in `x_1`, `image` in `image_bytes`) counts as alike."""
    words, others = _words(old), _words(new)
    if words and others and (words <= others or others <= words):
        return 0.9
    return SequenceMatcher(None, _letters(old), _letters(new)).ratio()


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()))


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
