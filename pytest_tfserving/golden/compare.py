"""Arrays -> Comparison: what of an answer differs from its golden."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from pytest_tfserving.golden.comparators.elements import compare_exactly, compare_ulps, compare_within
from pytest_tfserving.golden.comparators.pair import Pair, round_up
from pytest_tfserving.golden.difference import Comparison, Difference
from pytest_tfserving.golden.output_rule import OutputRule
from pytest_tfserving.golden.tolerance import Tolerance
from pytest_tfserving.tensors import Array, as_array, name_of

_ELSEWHERE = OutputRule()


def compare(
    expected: Mapping[str, Array],
    served: Mapping[str, Array],
    tolerance: Tolerance,
    *,
    specs_alone: Collection[str] = (),
) -> Comparison:
    """Compares answers output by output: names, dtypes and shapes exactly, values as the tolerance says.

    The values of outputs in `specs_alone` are not compared. Raises SpecError where a rule of an output says nothing of
    its dtype.
    """
    differences: list[Difference] = []
    for output in [*expected, *(name for name in sorted(served) if name not in expected)]:
        if output not in served:
            differences.append(Difference(output, "missing", describe(expected[output]), "-"))
        elif output not in expected:
            differences.append(Difference(output, "unexpected", "-", describe(served[output])))
        else:
            found = _compare_specs(output, expected[output], served[output])
            if found is None and output not in specs_alone:
                pair = pair_of(output, expected[output], served[output], tolerance)
                differences += _compare_values_of(pair, tolerance)
            differences += [found] if found else []
    return Comparison(tuple(differences), tolerance)


def describe(array: Array) -> str:
    """An array's spec: `float32[3, 2]`."""
    return f"{name_of(array)}[{', '.join(map(str, array.shape))}]"


def pair_of(output: str, expected: Array, served: Array, tolerance: Tolerance) -> Pair:
    """Both sides of one output, of one dtype and shape, with the limits that hold for it."""
    dtype = name_of(expected)
    if dtype == "string":  # a test's own text is no bytes yet
        expected, served = as_array(expected, dtype), as_array(served, dtype)
    rule = tolerance.outputs.get(output)
    limits = tolerance.of_output(rule) if rule is not None else tolerance
    return Pair(output, dtype, expected, served, *limits.of(dtype), limits.equal_nan)


def _compare_specs(output: str, expected: Array, served: Array) -> Difference | None:
    kind = "dtype" if name_of(expected) != name_of(served) else "shape" if expected.shape != served.shape else ""
    return Difference(output, kind, describe(expected), describe(served)) if kind else None


def _compare_values_of(pair: Pair, tolerance: Tolerance) -> list[Difference]:
    rule = tolerance.outputs.get(pair.output, _ELSEWHERE)
    return [found for _, _, difference in broken(pair, rule) if (found := beyond(difference, rule.differing))]


def broken(pair: Pair, rule: OutputRule, *, wholes: bool = True) -> Iterator[tuple[str, str, Difference | None]]:
    """What of an output breaks its rule, key by key: (Difference.rule of that key, what it counts, the difference).

    Every array that has values gives the same keys in the same order. Without `wholes` the keys are left out that are
    of the answer as a whole.
    """
    if not pair.expected.size:
        return
    if rule is _ELSEWHERE:
        yield _compare_values(pair, rule)
        return
    if rule.compares_values:
        yield _compare_values(pair, rule)
    if rule.exact:
        yield "exact", "values", compare_exactly(pair)
    if rule.ulps is not None:
        yield f"ulps={rule.ulps}", "values", compare_ulps(pair, rule.ulps)
    # What few use is loaded for those who do.
    from pytest_tfserving.golden.comparators import custom, rows, whole

    if rule.cosine is not None:
        yield f"cosine={rule.cosine:g}", "rows", rows.compare_cosine(pair, rule.cosine)
    if rule.argmax:
        yield "argmax", "rows", rows.compare_best(pair, 1, "argmax")
    if rule.top_k is not None:
        yield f"top_k={rule.top_k}", "rows", rows.compare_best(pair, rule.top_k, f"top_k={rule.top_k}")
    if rule.unordered:
        yield "unordered", "rows", rows.compare_unordered(pair)
    if rule.psnr is not None:
        yield f"psnr={rule.psnr:g}", "entries", whole.compare_psnr(pair, rule.psnr, rule.peak)
    if wholes and rule.mean_absolute is not None:
        yield f"mean_absolute={rule.mean_absolute:g}", "answer", whole.compare_mean(pair, rule.mean_absolute)
    if wholes and rule.custom is not None:
        yield f"custom={rule.custom}", "answer", custom.compare_custom(pair, rule.custom, rule.base)


def _compare_values(pair: Pair, rule: OutputRule) -> tuple[str, str, Difference | None]:
    """Floats within the tolerance. Of integers only a tolerance of the output's own is heeded, of others none."""
    if pair.is_float or pair.expected.dtype.kind == "c" or (pair.is_integer and rule.limits_values):
        rtol, atol = (pair.rtol, pair.atol) if not pair.is_integer else (rule.rtol or 0.0, rule.atol or 0.0)
        asked = f"rtol={rtol:g} atol={atol:g}"
        return asked, "values", compare_within(pair, rtol, atol, asked)
    if rule.limits_values:
        raise pair.refuse("rtol and atol", "exact" if pair.dtype == "bool" else "exact or unordered")
    return "exact", "values", compare_exactly(pair)


def beyond(difference: Difference | None, allowed: float) -> Difference | None:
    """The difference, unless as large a share may be wrong. An answer as a whole is no share of anything."""
    if difference is None or difference.unit == "answer" or not allowed:
        return difference
    share = difference.differing / difference.total
    if share <= allowed:
        return None
    needed = round_up(share)
    also = (f"differing={needed:g}",) if needed is not None else ()
    return replace(difference, allowed=allowed, would_pass=(*difference.would_pass, *also))
