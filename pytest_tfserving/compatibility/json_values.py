"""What a JSON client notices when a tensor's dtype changes (tensorflow_serving/util/json_tensor.cc)."""

from __future__ import annotations

from pytest_tfserving.schema import TensorSpec

_FLOATS = {"float32": 24, "float64": 53}  # bits of the significand: integers up to two to this are exact
_INTEGERS = {
    "int8": (-(2**7), 2**7 - 1),
    "uint8": (0, 2**8 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}

# FillTensorProto holds a value of these against int32 and cuts it down later.
_WRAPPING = {"int8", "uint8", "int16"}

_KINDS = {"number": "numbers", "bool": "true or false", "string": "strings"}


def has_json_form(spec: TensorSpec) -> bool:
    """Whether REST reads and writes values of the dtype: not half, bfloat16, uint16, complex, quantized ones."""
    return _kind(spec.dtype) is not None


def noticed_in_requests(old: str, new: str) -> str:
    """What happens to a client that goes on sending JSON for `old` to an input of `new`."""
    if _kind(new) is None:
        return f"REST has no form for {new}, and JSON clients are refused too"
    if _kind(old) is None:
        return f"REST has no form for {old}, so that no JSON client sent it"
    if _kind(old) != _kind(new):
        return f"JSON clients are refused too: {new} wants {_KINDS[_kind(new) or '']}"
    if new in _FLOATS:
        return "JSON clients notice nothing: a number is taken as before" + _rounding(old, new)
    if old in _FLOATS:
        return (
            f"JSON clients are refused wherever a number has a point or an exponent, as 1.0 has: {new} wants integers"
        )
    (low, high), (least, most) = _INTEGERS[new], _INTEGERS[old]
    if low <= least and most <= high:
        return "JSON clients notice nothing: an integer is taken as before"
    if new in _WRAPPING:
        beyond = ", one beyond int32 is refused" if most > _INTEGERS["int32"][1] else ""
        return f"JSON clients go on, but a value outside {low} to {high} wraps around without a word{beyond}"
    return f"JSON clients are refused where a value is outside {low} to {high}"


def noticed_in_answers(old: str, new: str, name: str) -> str:
    """What a client that reads JSON gets, of an output of that name that was `old` and is `new`."""
    if _kind(new) is None:
        return f"REST has no form for {new}, and refuses the whole answer"
    if _kind(old) is None:
        return f"REST has no form for {old}, so that no JSON client read it"
    if _kind(old) != _kind(new):
        return f"JSON clients get {_written(new, name)} where {_written(old, name)} stood"
    if new in _FLOATS and old in _FLOATS:
        return f"JSON clients get numbers of {'more' if _FLOATS[new] > _FLOATS[old] else 'fewer'} digits"
    if new in _FLOATS:
        return "JSON clients get 3.0 where 3 stood, which typed parsers refuse for an integer" + _rounding(old, new)
    if old in _FLOATS:
        return "JSON clients get 3 where 3.0 stood, and no fractions"
    if _INTEGERS[new][1] > 2**53 >= _INTEGERS[old][1]:
        return "JSON clients get integers as before, but JavaScript rounds those beyond 2^53"
    return f"JSON clients get integers as before, from {_INTEGERS[new][0]} to {_INTEGERS[new][1]}"


def is_base64(spec: TensorSpec, name: str) -> bool:
    """Whether REST writes the output as base64 objects: strings under such a name (IsNamedTensorBytes)."""
    return spec.dtype == "string" and name.endswith("_bytes")


def _kind(dtype: str) -> str | None:
    if dtype in _FLOATS or dtype in _INTEGERS:
        return "number"
    return dtype if dtype in _KINDS else None


def _written(dtype: str, name: str) -> str:
    if is_base64(TensorSpec(dtype, None), name):
        return '{"b64": ...} objects'
    return _KINDS[_kind(dtype) or ""]


def _rounding(old: str, new: str) -> str:
    if old in _FLOATS:
        return ", and rounded to float32" if _FLOATS[old] > _FLOATS[new] else ""
    return f", integers beyond 2^{_FLOATS[new]} rounded" if _INTEGERS[old][1] > 2 ** _FLOATS[new] else ""
