"""Recorded requests get the answers that the real tensorflow_model_server gave; tests/conformance/README.md."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import grpc
import pytest

from pytest_tfserving import tensors
from pytest_tfserving.wire import serving_pb2 as serving

Case = dict[str, Any]

CASES = Path(__file__).parents[1] / "conformance" / "cases.jsonl.gz"
# Cases that are known to differ, by id, each with the reason. None is.
DIFFERENT: dict[str, str] = {}

MESSAGES = {
    "Predict": serving.PredictResponse,
    "Classify": serving.ClassificationResponse,
    "Regress": serving.RegressionResponse,
    "MultiInference": serving.MultiInferenceResponse,
    "GetModelMetadata": serving.GetModelMetadataResponse,
    "GetModelStatus": serving.GetModelStatusResponse,
}


def _cases() -> dict[str, list[Case]]:
    groups = defaultdict(list)
    with gzip.open(CASES, "rt", encoding="utf-8") as lines:
        for line in lines:
            case = json.loads(line)
            groups[case["group"]].append(case)
    return groups


GROUPS = _cases()


@pytest.mark.parametrize("group", GROUPS)
def test_answers_as_recorded(server: Any, group: str) -> None:
    differ = []
    for case in GROUPS[group]:
        got = _ask_rest(server, case) if case["kind"] == "rest" else _ask_grpc(server, case)
        if (got is None) == (case["id"] in DIFFERENT):
            differ.append(f"{case['id']} {case.get('path') or case['rpc']}\n  {got}\n  wanted {case['responses']}")
    assert not differ, f"{len(differ)} of {len(GROUPS[group])} differ:\n" + "\n".join(differ[:5])


def _ask_rest(server: Any, case: Case) -> str | None:
    """None where the answer is one of those recorded, else what it was."""
    status, content_type, body = server.rest(case["method"], case["path"], case["body"], case["headers"])
    text = body.decode("utf-8", "surrogateescape")
    for wanted in case["responses"]:
        if (status, content_type) != (wanted["status"], wanted["content_type"]):
            continue
        if text == wanted["body"] or _same_json(text, wanted["body"]):
            return None
    return f"got {status} {content_type} {text!r}"


def _same_json(text: str, wanted: str) -> bool:
    try:
        return bool(_parsed(text) == _parsed(wanted))
    except ValueError:
        return False


def _parsed(text: str) -> Any:
    """Members in any order; numbers by their text, so that 1.0 is not 1 and NaN is NaN."""
    as_text = {"parse_float": str, "parse_int": lambda number: f"int {number}", "parse_constant": str}
    return json.loads(_unmarked(text), **as_text)  # type: ignore[arg-type]


def _ask_grpc(server: Any, case: Case) -> str | None:
    name = case["rpc"].rsplit("/", 1)[1]
    try:
        answer = server.call(case["rpc"], base64.b64decode(case["request"]))
    except grpc.RpcError as error:
        code, details = error.code().name, error.details()
        for wanted in case["responses"]:
            if wanted["code"] == code and _unmarked(wanted["details"]) == _unmarked(details):
                return None
        return f"got {code} {details!r}"
    got = _comparable(name, answer)
    for wanted in case["responses"]:
        if wanted["code"] == "OK" and _comparable(name, base64.b64decode(wanted["message"])) == got:
            return None
    return f"got OK {got}"


def _comparable(name: str, answer: bytes) -> Any:
    message = MESSAGES[name].FromString(answer)
    if isinstance(message, serving.PredictResponse):
        arrays = {alias: tensors.from_proto(proto) for alias, proto in message.outputs.items()}
        return message.model_spec, {
            alias: (a.dtype, a.shape, a.tolist() if a.dtype == object else a.tobytes()) for alias, a in arrays.items()
        }
    if isinstance(message, serving.GetModelMetadataResponse):
        maps = {key: serving.SignatureDefMap.FromString(packed.value) for key, packed in message.metadata.items()}
        return message.model_spec, maps, {packed.type_url for packed in message.metadata.values()}
    return message


def _unmarked(text: str) -> str:
    """protobuf marks its debug strings with a text that differs from process to process."""
    return re.sub(r"goo\.gle/debug\w*\s*(\\n)?", "", text)
