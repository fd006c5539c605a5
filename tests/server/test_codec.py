"""The JSON codec alone, without a server: texts to tensors and back, as TF Serving's codec was seen to do it."""

from __future__ import annotations

import base64
import gzip
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_tfserving import dtypes, tensors
from pytest_tfserving.server import json_example, json_request, json_response
from pytest_tfserving.server.failure import ServingError
from pytest_tfserving.server.tensor import Tensor
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as tf

Case = dict[str, Any]

# Cases that this codec cannot agree with, each with the reason.
DIFFERENT = {
    "ut-jt-resp-44": "either of two outputs may be blamed; here it is the second by name",
    "ut-jt-resp-47": "either of two outputs may be blamed; here it is the second by name",
    "ut-jt-resulterr-01": "no text goes in: test_empty_results",
    "ut-jt-resulterr-02": "no text goes in: test_empty_results",
    "or-resp-s1": "the recording cut the output short at the first quotation mark",
    "or-resp-bad-qint8-row": "no quantized tensor gets as far as the codec",
    "or-resp-bad-qint8-columnar": "no quantized tensor gets as far as the codec",
    "or-resp-inv": "there is no third format here",
}


def _cases() -> list[Case]:
    with gzip.open(Path(__file__).parents[1] / "conformance" / "codec.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [case for case in map(json.loads, lines) if case["id"] not in DIFFERENT]


CASES = _cases()


def _of_kind(*kinds: str) -> Any:
    chosen = [case for case in CASES if case["kind"] in kinds]
    return pytest.mark.parametrize("case", chosen, ids=[case["id"] for case in chosen])


@_of_kind("error", "request_to_tensors")
def test_request(case: Case) -> None:
    body = re.sub(r'<"([^"]+)" x (\d+)>', lambda found: found[1] * int(found[2]), case["input"]).encode(
        "utf-8", "surrogatepass"
    )
    _, dtypes = next(iter((case["signature"] or {}).items()))
    if isinstance(dtypes, str):
        _check(case, lambda: _read_examples(body), lambda got: got == _expected_examples(case["expected"]))
        return
    inputs = {alias: tf.TensorInfo(dtype=tf.DataType.Value(dtype)) for alias, dtype in dtypes.items()}

    def agrees(got: json_request.PredictRequest) -> bool:
        expected = case["expected"]
        wanted = {alias: _tensor(tensor) for alias, tensor in expected["tensors"].items()}
        assert {alias: t.shape for alias, t in got.inputs.items()} == {alias: t.shape for alias, t in wanted.items()}
        for alias, tensor in got.inputs.items():
            np.testing.assert_array_equal(tensor.flat, wanted[alias].flat, strict=True)
        return (got.signature_name, got.layout.name.lower()) == (expected["signature_name"], expected["format"])

    _check(case, lambda: json_request.read(body, lambda _: inputs), agrees)


@_of_kind("tensors_to_response")
def test_response(case: Case) -> None:
    source = case["input"]

    def write() -> str:
        if "tensors" in source:
            layout = json_request.Format.ROW if source["format"] == "row" else json_request.Format.COLUMNAR
            outputs = {alias: _tensor(tensor) for alias, tensor in sorted(source["tensors"].items())}
            text = json_response.predictions(outputs, layout)
        elif "classifications" in source:
            text = json_response.classifications(
                [[(label, _number(score)) for label, score in classes] for classes in source["classifications"]]
            )
        else:
            text = json_response.regressions([_number(value) for value in source["regressions"]])
        return text.decode("utf-8", "surrogateescape")

    def agrees(got: str) -> bool:
        expected = case["expected"]
        if "exact_bytes" in expected and got == expected["exact_bytes"]:
            return True
        wanted = expected.get("json") or json.loads(expected["exact_bytes"])
        return case.get("compare") != "exact bytes" and json.loads(got, parse_constant=str) == wanted

    _check(case, write, agrees)


def test_empty_results() -> None:
    with pytest.raises(ServingError, match="Cannot convert empty ClassificationResults to JSON"):
        json_response.classifications([])
    with pytest.raises(ServingError, match="Cannot convert empty RegressionResults to JSON"):
        json_response.regressions([])


@pytest.mark.parametrize("layout", json_request.Format)
def test_the_quick_way_agrees_with_the_exact_one(layout: json_request.Format) -> None:
    values = np.linspace(0, 1, 20_000, dtype=np.float32)
    body = json.dumps({layout.value: values.tolist()}).encode()
    inputs = {"x": tf.TensorInfo(dtype=tf.DT_FLOAT)}
    quick = json_request._read_well_formed(body, lambda _: inputs)
    exact = json_request._read_exactly(body, lambda _: inputs)
    np.testing.assert_array_equal(quick.inputs["x"].flat, exact.inputs["x"].flat)
    printed = json.loads(json_response.predictions(quick.inputs, layout))
    np.testing.assert_array_equal(np.array(next(iter(printed.values())), dtype=np.float32), values)


def _check(case: Case, run: Any, agrees: Any) -> None:
    expected = case["expected"] or {}
    message = expected.get("full_message") or expected.get("full_message_observed")
    part = case.get("expected_error_substring")
    if not message and not part:
        assert agrees(run())
        return
    with pytest.raises(ServingError) as caught:
        run()
    assert caught.value.code.name == case["expected_status"]
    assert caught.value.message == message if message else part in caught.value.message


def _number(value: Any) -> float:
    return float(value)  # "NaN", "Infinity" and "-Infinity" too


def _tensor(source: Case) -> Tensor:
    """Lists that are shorter than the shape repeat their last value, surplus values are ignored."""
    name = dtypes.dtype_name(tf.DataType.Value(source["dtype"]))
    dtype = tensors.numpy_dtype(name)
    shape = tuple(source["shape"])
    values: list[Any] = source["values"]
    if name == "string":
        values = [base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode() for value in values]
    elif dtype.kind == "f":
        values = [_number(value) for value in values]
    count = math.prod(shape)
    padding = [values[-1] if values else b"" if name == "string" else 0] * (count - len(values))
    flat = np.empty(count, dtype=object)
    flat[:] = (values + padding)[:count]
    narrow = flat.astype(np.int64) if dtype.kind in "iu" and dtype.itemsize < 4 else flat
    return Tensor(narrow.astype(dtype), shape)


def _read_examples(body: bytes) -> tuple[str, Any, Any]:
    filled = serving.Input()
    name = json_example.read(body, filled)
    kind = filled.WhichOneof("kind")
    assert kind is not None
    holder = getattr(filled, kind)
    context = _features(holder.context) if kind == "example_list_with_context" else None
    return name, context, [_features(example) for example in holder.examples]


def _features(example: tf.Example) -> Any:
    found = {}
    for name, feature in example.features.feature.items():
        kind = feature.WhichOneof("kind")
        values = list(getattr(feature, kind).value) if kind else []
        found[name] = {kind: [v.decode() if isinstance(v, bytes) else _plain(v) for v in values]} if kind else {}
    return found


def _plain(value: float) -> Any:
    return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(str(value), value)


def _expected_examples(expected: Case) -> tuple[str, Any, Any]:
    return expected["signature_name"], expected.get("context"), expected["examples"]
