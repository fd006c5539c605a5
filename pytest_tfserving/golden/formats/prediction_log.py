"""TFRecord files of PredictionLogs (tensorflow_serving/apis/prediction_log.proto), without TensorFlow.

TF Serving's request logs and warm-up files are such files. Each record of a predict request is a case, by its number;
the response that was logged with it is its answer. The file is never written to: answers that are recorded lie beside
(responses.py), and come before the logged ones.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from google.protobuf.message import DecodeError

from pytest_tfserving.errors import ContractWarning, GoldenError, TensorError
from pytest_tfserving.files import shown
from pytest_tfserving.golden.case import Case, DamagedGoldenError, Later, numbered_id, numbered_key, where
from pytest_tfserving.golden.formats.answers import write_answers
from pytest_tfserving.golden.formats.format import Answers, Written
from pytest_tfserving.golden.formats.responses import check_requests, mark_of, read_responses, response_of
from pytest_tfserving.golden.text import Stored
from pytest_tfserving.tensors import Array, from_proto, to_proto
from pytest_tfserving.tfrecord import DamagedRecordError, Record, read_record, read_records, write_records
from pytest_tfserving.warmup_file import WARMUP_FILE
from pytest_tfserving.wire import serving_pb2 as serving
from pytest_tfserving.wire import tensorflow_pb2 as tf


class PredictionLogFile:
    """Request logs and warm-up files."""

    def read(self, file: Path) -> list[Case]:
        """The cases of a file; their tensors are read when they are asked for, so a file may be of any size.

        What is no predict request is left out, with a warning that counts it. Raises DamagedGoldenError at the first
        record that cannot be read, and GoldenError where there is no predict request at all.
        """
        responses = read_responses(file)
        cases: list[Case] = []
        others: Counter[str] = Counter()
        damage = None
        try:
            for record in _records(file):
                log = _parsed(file, record)
                kind = log.WhichOneof("log_type") or "an empty record"
                if kind != "predict_log":
                    others[kind] += 1
                    continue
                key, mark = numbered_key(record.number), mark_of(record.checksum)
                name = log.predict_log.request.model_spec.signature_name or None
                logged = _later(file, record, "outputs") if log.predict_log.HasField("response") else None
                recorded = responses.answer(key, mark)
                cases.append(
                    Case(
                        numbered_id(file, key, name),
                        file,
                        key,
                        name,
                        _later(file, record, "inputs"),
                        logged if recorded is None else recorded,
                        {} if recorded is None else responses.provenance_of(key),
                        output_filter=tuple(log.predict_log.request.output_filter),
                        mark=mark,
                    )
                )
        except GoldenError as error:
            damage = f"{error}{_what_to_do(file, error.__cause__)}"
        if others:
            warnings.warn(ContractWarning(_left_out(file, others)), stacklevel=2)
        if damage:
            raise DamagedGoldenError(damage, cases)
        if not cases:
            raise GoldenError(f"{file} has no predict request" + (f"; {_left_out(file, others)}" if others else ""))
        return cases

    def write(self, file: Path, answers: Answers, provenance: Mapping[str, str], asked: Mapping[str, str]) -> Written:
        """Records answers beside the file. Raises GoldenError for the warm-up file of an export."""
        if file.parent.name == WARMUP_FILE.parent.name:
            raise GoldenError(
                f"{shown(file)} lies in an export, where no answers are recorded; make goldens of it with "
                f"`pytest-tfserving warmup --read {shown(file)} -o goldens/warmup.json`"
            )
        marks, given = {}, []
        for record in _records(file):
            key = numbered_key(record.number)
            if key in answers:
                marks[key] = mark_of(record.checksum)
                if _parsed(file, record).predict_log.HasField("response"):
                    given.append(key)
        check_requests(file, answers, marks, asked)
        return write_answers(response_of(file), answers, provenance, marks, given)


def first_log(file: Path) -> serving.PredictionLog | None:
    """The first record of a file, None of an empty one. Raises GoldenError where it cannot be read."""
    return next((_parsed(file, record) for record in _records(file)), None)


def write_log(
    stream: BinaryIO, requests: Iterable[tuple[str, str, Mapping[str, Array], Mapping[str, Array] | None]]
) -> int:
    """Writes a file of predict logs: for each the model's name, the signature, the inputs, and the outputs if any."""
    return write_records(stream, (_predict_log(*request).SerializeToString(deterministic=True) for request in requests))


def _predict_log(
    model: str, signature_name: str, inputs: Mapping[str, Array], outputs: Mapping[str, Array] | None
) -> serving.PredictionLog:
    spec = serving.ModelSpec(name=model, signature_name=signature_name)
    request = serving.PredictRequest(model_spec=spec, inputs={name: to_proto(array) for name, array in inputs.items()})
    log = serving.PredictLog(request=request)
    if outputs is not None:
        answer = {name: to_proto(array) for name, array in outputs.items()}
        log.response.CopyFrom(serving.PredictResponse(model_spec=spec, outputs=answer))
    return serving.PredictionLog(predict_log=log)


class _Logged(Stored):
    """A tensor of a record."""

    def __init__(self, proto: tf.TensorProto) -> None:
        self._proto = proto

    def load(self, name: str) -> Array:
        try:
            return from_proto(self._proto)
        except TensorError as error:
            raise TensorError(f"{name!r}: {error}") from error


def _records(file: Path) -> Iterator[Record]:
    try:
        yield from read_records(file)
    except (OSError, DamagedRecordError) as error:
        raise _unreadable(file, error) from error


def _unreadable(file: Path, error: OSError | DamagedRecordError) -> GoldenError:
    if isinstance(error, DamagedRecordError):
        return GoldenError(f"{shown(file)}: {error}")
    return GoldenError(f"{file} cannot be read: {error.strerror}")


def _parsed(file: Path, record: Record) -> serving.PredictionLog:
    try:
        return serving.PredictionLog.FromString(record.data)
    except DecodeError:
        raise GoldenError(
            f"{shown(file)}: record {record.number} at offset {record.offset} is no PredictionLog "
            f"(tensorflow_serving/apis/prediction_log.proto)"
        ) from None


def _later(file: Path, record: Record, form: str) -> Later:
    return Later(form, partial(_tensors, file, record.number, record.offset, record.checksum, form))


def _tensors(file: Path, number: int, offset: int, checksum: int, form: str) -> dict[str, Any]:
    log = _read_again(file, number, offset, checksum)
    found = log.request.inputs if form == "inputs" else log.response.outputs
    return {name: _Logged(found[name]) for name in found}


@lru_cache(maxsize=1)  # a case's request and its answer are in one record
def _read_again(file: Path, number: int, offset: int, checksum: int) -> serving.PredictLog:
    try:
        record = read_record(file, number, offset)
    except (OSError, DamagedRecordError) as error:
        raise _unreadable(file, error) from error
    if record.checksum != checksum:
        raise GoldenError(f"{where(file, numbered_key(number))}: the file has changed since the run began")
    return _parsed(file, record).predict_log


def _what_to_do(file: Path, damage: BaseException | None) -> str:
    if not isinstance(damage, DamagedRecordError) or not damage.offset:
        return ""
    return (
        f"; what lies before it is whole: fetch the file again, or keep that part with "
        f"`head -c {damage.offset} {shown(file)} > whole{file.suffix}`"
    )


def _left_out(file: Path, kinds: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count} of {kind}" for kind, count in sorted(kinds.items()))
    return f"{shown(file)}: records that are no predict requests are left out: {counts}"
