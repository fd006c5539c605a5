"""The ops of a graph that a server does not have, or that do on its machine what they did on the exporter's."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cache
from itertools import islice
from pathlib import Path

from pytest_tfserving.findings import Finding
from pytest_tfserving.inspection import Inspection
from pytest_tfserving.rules import lint as rules
from pytest_tfserving.rules.rule import Rule

# Written by tools/generate_known_ops.py.
_KNOWN_OPS = Path(__file__).with_name("known_ops.txt")

_PYTHON_OPS = frozenset({"PyFunc", "PyFuncStateless", "EagerPyFunc"})
_FILE_OPS = frozenset(
    {
        "ReadFile", "WriteFile", "MatchingFiles", "MatchingFilesDataset", "ExperimentalMatchingFilesDataset",
        "Save", "SaveSlices", "SaveV2", "MergeV2Checkpoints", "Restore", "RestoreSlice", "RestoreV2",
        "TFRecordDataset", "TFRecordReader", "TFRecordReaderV2", "TextLineDataset", "TextLineReader",
        "TextLineReaderV2", "FixedLengthRecordDataset", "FixedLengthRecordDatasetV2", "FixedLengthRecordReader",
        "FixedLengthRecordReaderV2", "WholeFileReader", "WholeFileReaderV2", "LMDBReader", "LMDBDataset",
        "ExperimentalLMDBDataset", "CSVDataset", "CSVDatasetV2", "ExperimentalCSVDataset", "SqlDataset",
        "ExperimentalSqlDataset", "CacheDataset", "CacheDatasetV2", "SaveDataset", "SaveDatasetV2", "LoadDataset",
        "SnapshotDataset", "SnapshotDatasetV2", "InitializeTableFromTextFile", "InitializeTableFromTextFileV2",
        "CreateSummaryFileWriter", "CreateSummaryDbWriter", "LoadAndRemapMatrix", "GenerateVocabRemapping",
    }
)  # fmt: skip
_STATE_OPS = ("Assign", "ResourceScatter", "ResourceApply", "ResourceStridedSliceAssign", "Scatter")
# Scatter-named ops that compute a tensor and change nothing.
_PURE = frozenset({"ScatterNd", "ScatterNdNonAliasingAdd"})

_MOST_NAMED = 5


@cache
def known_ops() -> frozenset[str]:
    """The ops of the server's standard build."""
    lines = _KNOWN_OPS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def find_op_problems(inspection: Inspection) -> Iterator[Finding]:
    """Findings about ops, an op each, with the signatures that run it."""
    for op in sorted(inspection.loaded_ops - known_ops()):
        yield Finding.of(
            rules.UNKNOWN_OP,
            f'op {op} is none of the standard tensorflow_model_server, so the model fails to load there: "Op type not '
            f"registered '{op}'\". Serve it with a server that was built with the op (the embedded server loads its "
            f"library with --tfserving-server-arg=--custom_op_libraries=FILE), or export without it",
        )
    yield from _of_signatures(
        inspection,
        rules.PYTHON_OP,
        _PYTHON_OPS,
        "it calls a Python function of the process that exported it, and a server has none: {who} fails at every "
        "request. Write the function in TensorFlow's ops, or move it to the client",
        "every load fails",
    )
    yield from _of_signatures(
        inspection,
        rules.FILE_OP,
        _FILE_OPS,
        "it reads or writes files of the server's machine whenever {who} is called, and fails where they are not "
        "there. Feed the content, or make the file an asset that the initialiser reads",
    )
    changing = {op for op in inspection.served_ops if op.startswith(_STATE_OPS) and op not in _PURE}
    yield from _of_signatures(
        inspection,
        rules.STATE_CHANGE,
        changing,
        "it changes a variable, so what {who} answers depends on the requests before, and differs between servers. "
        "Keep the state outside the model",
    )


def _of_signatures(
    inspection: Inspection, rule: Rule, ops: Collection[str], sentence: str, at_load: str | None = None
) -> Iterator[Finding]:
    """A finding for each of the ops that a signature runs, or, where the load then fails, that the initialiser runs."""
    for op in sorted(inspection.served_ops & frozenset(ops)):
        signatures = inspection.schema.callable_signatures.values()
        running = (signature.name for signature in signatures if op in inspection.ops_of(signature))
        names = list(islice(running, _MOST_NAMED + 1))  # of thousands that share a graph, each would walk all of it
        who = " and ".join(f"signature {name!r}" for name in names[:_MOST_NAMED])
        more = " and others" if len(names) > _MOST_NAMED else ""
        text = f"op {op}: " + sentence.format(who=who + more)
        yield Finding.of(rule, text, signature=names[0] if len(names) == 1 else None)
    for op in sorted(inspection.init_ops & frozenset(ops)) if at_load else []:
        yield Finding.of(rule, f"op {op} is run by the initialiser, and a server has no Python: {at_load}")
