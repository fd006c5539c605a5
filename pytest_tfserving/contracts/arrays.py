"""hypothesis strategies for the values of one tensor, by dtype and what a contract says of them.

Numbers are finite and not subnormal (TensorFlow's kernels flush those to zero); `one_of` is the way to NaN and
infinities. A string is UTF-8 text, and any bytes where the input's name ends in `_bytes`, as REST's clients have it.
"""

from __future__ import annotations

import math
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from pytest_tfserving.contracts.need_hypothesis import st
from pytest_tfserving.contracts.promises import Values
from pytest_tfserving.errors import SpecError, TensorError
from pytest_tfserving.tensors import Array, as_array, numpy_dtype

# Elements of all tensors of a request that are drawn one by one. Hypothesis takes 8 KiB of choices an example; beyond
# this the rest of a tensor is filled: with one value, or from a seed.
MOST_DRAWN = 300
_SPOTS = 4
_SMALLEST_NORMAL = {"float16": 2.0**-14, "float64": 2.0**-1022}  # of the others 2**-126
_LONGEST_STRING = 20
_LONGEST_BOUNDARY = 1 << 16

# What text is made of: ASCII, one to four bytes of UTF-8, marks that combine or turn the direction, and what ends a
# line or a C string. hypothesis' own text() writes a table of all characters below the working directory.
_CHARACTERS = [
    *string.digits,
    *string.ascii_letters,
    *" \"'\\/<&,;{}",
    *"\0\n\r\t\x7f",
    *"äßÉπЖ日本\u0301\u200d\u202e\ufeff😀\U0001d54f",
]


def arrays(name: str, dtype: str, shape: tuple[int, ...], values: Values, drawn: int) -> st.SearchStrategy[Array]:
    """Arrays of a dtype and shape; up to `drawn` elements are chosen one by one. They shrink towards zeros.

    Raises SpecError where no value of the dtype keeps to what `values` says.
    """
    element = elements(name, dtype, values)
    size = math.prod(shape)
    if size <= drawn:
        return st.lists(element, min_size=size, max_size=size).map(lambda items: _array(items, dtype, shape))
    # A tensor of an image's size: one value everywhere or noise, and a few elements of their own, which shrink.
    spots = st.lists(st.tuples(st.integers(0, size - 1), element), max_size=_SPOTS if drawn >= 2 * _SPOTS else 0)
    seed = st.none() | st.integers(0, 2**32 - 1)

    def array(fill: Any, seed: int | None, spots: list[tuple[int, Any]]) -> Array:
        whole = filled(name, dtype, shape, values, seed, fill).ravel()
        for index, item in spots:
            whole[index] = item
        return whole.reshape(shape)

    return st.builds(array, element, seed, spots)


def filled(name: str, dtype: str, shape: tuple[int, ...], values: Values, seed: int | None, fill: Any = None) -> Array:
    """A whole array at once: noise from a seed; without one `fill`, or the simplest value, everywhere."""
    if fill is None:
        fill = _simplest(name, dtype, values)
    array = np.full(math.prod(shape), fill, numpy_dtype(dtype))
    if seed is not None:
        array[:] = _noise(np.random.default_rng(seed), len(array), name, dtype, values, fill)
    return array.reshape(shape)


def elements(name: str, dtype: str, values: Values) -> st.SearchStrategy[Any]:
    """One element of a tensor, as Python has it."""
    if values.one_of is not None:
        return st.sampled_from(list(_choices(name, dtype, values.one_of)))
    if dtype == "string":
        return _strings(name, values.length or (0, _LONGEST_STRING), bounded=values.length is not None)
    if dtype == "bool":
        return st.booleans()
    if dtype.startswith("complex"):
        part = "float32" if dtype == "complex64" else "float64"
        number = _floats(part, *_limits(name, part, values))
        return st.builds(complex, number, number)
    low, high = _limits(name, dtype, values)
    if numpy_dtype(dtype).kind in "iu":
        return _integers(int(low), int(high))
    return _floats(dtype, float(low), float(high))


def _choices(name: str, dtype: str, one_of: tuple[object, ...]) -> Array:
    try:
        return as_array(list(one_of), dtype, name=name)
    except TensorError as error:
        raise SpecError(f"one_of of the input {name!r} has no {dtype} values: {error}") from error


def _integers(low: int, high: int) -> st.SearchStrategy[int]:
    """All of them, small ones more often than a range of 64 bits would give."""
    near = st.integers(max(low, -100), min(high, 100)) if low <= 100 and high >= -100 else None
    return near | st.integers(low, high) if near is not None else st.integers(low, high)


def _floats(dtype: str, low: float, high: float) -> st.SearchStrategy[float]:
    if low == high:
        return st.just(low)
    width: Any = {"float16": 16, "bfloat16": 32, "float32": 32}.get(dtype, 64)
    numbers = st.floats(low, high, width=width, allow_nan=False, allow_infinity=False, allow_subnormal=False)
    if dtype == "bfloat16":  # drawn as float32; both limits are bfloat16's own, so that rounding stays between them
        return numbers.map(lambda number: float(np.float32(number).astype(numpy_dtype(dtype))))
    return numbers


def _strings(name: str, length: tuple[int, int], *, bounded: bool) -> st.SearchStrategy[bytes]:
    least, most = length
    longest = min(most, max(least, _LONGEST_STRING))
    short = min(longest, _LONGEST_STRING)

    def fitted(text: str | bytes) -> bytes:
        if isinstance(text, str):  # cut between characters
            text = text.encode()[:short].decode(errors="ignore").encode()
        return text.ljust(least, b"a")

    kinds: st.SearchStrategy[Any] = st.lists(st.sampled_from(_CHARACTERS), max_size=short).map("".join)
    if name.endswith("_bytes"):
        kinds = kinds | st.binary(max_size=short)
    strings = kinds.map(fitted)
    if bounded and longest < most <= _LONGEST_BOUNDARY:
        strings = strings | st.just(b"a" * most)
    return strings


def _limits(name: str, dtype: str, values: Values) -> tuple[float, float]:
    """The smallest and the largest number of the dtype that keep to `values`."""
    wanted = numpy_dtype(dtype)
    low: float
    high: float
    if wanted.kind in "iu":
        whole = np.iinfo(wanted)
        low = whole.min if values.min is None else max(whole.min, math.ceil(values.min))
        high = whole.max if values.max is None else min(whole.max, math.floor(values.max))
    else:
        largest = _largest(dtype)
        low = -largest if values.min is None else _inside(values.min, wanted, upwards=True)
        high = largest if values.max is None else _inside(values.max, wanted, upwards=False)
        least = _SMALLEST_NORMAL.get(dtype, 2.0**-126)
        low, high = _normal(max(low, -largest), least, math.ceil), _normal(min(high, largest), least, math.floor)
    if low > high:
        limits = f"{values.min if values.min is not None else ''}..{values.max if values.max is not None else ''}"
        raise SpecError(f"no {dtype} lies in {limits}, which was said of the input {name!r}")
    return low, high


def _normal(limit: float, least: float, rounded: Callable[[float], int]) -> float:
    """A limit among subnormal numbers is zero or the smallest other one, whichever lies inside."""
    return rounded(limit / least) * least if 0 < abs(limit) < least else limit


def _largest(dtype: str) -> float:
    if dtype == "bfloat16":
        import ml_dtypes

        return float(ml_dtypes.finfo(numpy_dtype(dtype)).max)  # type: ignore[no-untyped-call]
    return float(np.finfo(numpy_dtype(dtype)).max)


def _inside(limit: float, dtype: np.dtype[Any], *, upwards: bool) -> float:
    """The dtype's number nearest to a limit that does not lie beyond it."""
    with np.errstate(over="ignore"):
        number = np.asarray(limit, np.float64).astype(dtype)
        if upwards and float(number) < limit:
            number = np.nextafter(number, np.asarray(np.inf, dtype))
        elif not upwards and float(number) > limit:
            number = np.nextafter(number, np.asarray(-np.inf, dtype))
    return float(number)


def _array(items: list[Any], dtype: str, shape: tuple[int, ...]) -> Array:
    array = np.empty(len(items), numpy_dtype(dtype))
    array[:] = items
    return array.reshape(shape)


def _simplest(name: str, dtype: str, values: Values) -> Any:
    """The value that everything shrinks towards."""
    if values.one_of is not None:
        return _choices(name, dtype, values.one_of)[0]
    if dtype == "string":
        return b"a" * (values.length or (0, 0))[0]
    if dtype == "bool" or dtype.startswith("complex"):
        return 0
    low, high = _limits(name, dtype, values)
    return min(max(0, low), high)


def _noise(random: np.random.Generator, count: int, name: str, dtype: str, values: Values, fill: Any) -> Array:
    """Values of all sorts near what a client would send: standard normal numbers, or an even spread between limits."""
    wanted = numpy_dtype(dtype)
    if values.one_of is not None:
        choices = _choices(name, dtype, values.one_of)
        return choices[random.integers(0, len(choices), count)]
    if dtype == "bool":
        return random.integers(0, 2, count).astype(wanted)
    if dtype == "string":
        return _array([fill] * count, dtype, (count,))
    if dtype.startswith("complex"):
        return (random.standard_normal(count) + 1j * random.standard_normal(count)).astype(wanted)
    low, high = _limits(name, dtype, values)
    if wanted.kind in "iu":
        return random.integers(int(low), int(high), count, dtype=wanted, endpoint=True)
    if values.min is not None and values.max is not None:
        numbers = low + (high - low) * random.random(count) if high - low < math.inf else random.uniform(-1, 1, count)
    else:
        numbers = random.standard_normal(count)
        if values.min is not None:
            numbers = low + np.abs(numbers)
        elif values.max is not None:
            numbers = high - np.abs(numbers)
    within = np.asarray([low, high]).astype(wanted)
    clipped: Array = np.clip(numbers.astype(wanted), within[0], within[1])
    return clipped
