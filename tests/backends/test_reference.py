"""A SavedModel run in-process, as Python runs it: TensorFlow itself, in a process of its own"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest

from pytest_tfserving.contracts.promises import Promises
from pytest_tfserving.contracts.relations import find_broken_relations
from pytest_tfserving.errors import Code, ExportError, RequestError, ServerDiedError
from pytest_tfserving.reference import frames
from pytest_tfserving.reference.process import Reference
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.tensors import numpy_dtype, to_proto
from tests.conftest import MODELS, ROOT, processes_of, wait_until

EXPORTS = ROOT / "tests" / "server" / "exports"
PROMISED = EXPORTS / "promised"
X = np.array([4, 1, 9], "f4")


@pytest.fixture(scope="module")
def reference():
    reference = Reference(PROMISED / "1")
    yield reference
    reference.close()


@pytest.fixture(scope="module")
def dtypes():
    reference = Reference(MODELS / "dtypes" / "1")
    yield reference
    reference.close()


def children(export):
    """The processes that run it."""
    found = processes_of(str(export))
    return [process for process in found if "pytest_tfserving.reference" in process.info["cmdline"]]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("float32", [0.1, -0.0, np.nan]),
        ("float64", [0.1, np.inf]),
        ("float16", [0.1, 65504]),
        ("bfloat16", [1.5, -3]),
        ("int8", [-128, 127]),
        ("int16", [-(2**15)]),
        ("int32", [-(2**31)]),
        ("int64", [2**53 + 1]),
        ("uint8", [255]),
        ("uint16", [65535]),
        ("uint32", [2**32 - 1]),
        ("uint64", [2**64 - 1]),
        ("bool", [True, False]),
        ("string", [b"", b"\xff\0", "ü".encode()]),
        ("complex64", [1 + 2j]),
        ("complex128", [1 - 2j]),
        ("float32", []),
        ("string", []),
    ],
)
def test_every_dtype(dtypes, dtype, values):
    array = np.array(values, numpy_dtype(dtype))
    [answer] = dtypes.predict({"x": array}, f"id_{dtype}").values()
    assert to_proto(answer) == to_proto(array)


def test_the_signature_is_the_one_that_is_asked_for(reference):
    assert reference.predict({"x": X}, "root")["y"].tolist() == [2, 1, 3]
    assert reference.predict({"x": X}, "running")["y"].tolist() == [4, 5, 14]


def test_more_than_a_pipe_holds(reference):
    many = np.arange(3_000_000, dtype="f4")
    assert np.array_equal(reference.predict({"x": many}, "root")["y"], np.sqrt(many))


def test_an_input_that_has_a_default_may_be_left_out(reference):
    assert reference.predict({"x": X}, "scaled")["y"].tolist() == [8, 2, 18]
    assert reference.predict({"x": X, "by": np.array(3, "f4")}, "scaled")["y"].tolist() == [12, 3, 27]


@pytest.mark.parametrize(
    ("signature", "inputs", "code", "message"),
    [
        ("rot", {"x": X}, Code.NOT_FOUND, "no signature 'rot'; the SavedModel has 'average', 'centred'"),
        ("root", {}, Code.INVALID_ARGUMENT, "x"),
        ("root", {"x": X, "y": X}, Code.INVALID_ARGUMENT, "'y'"),
        ("root", {"x": X.astype("i4")}, Code.INVALID_ARGUMENT, "expected to be a float tensor but is a int32 tensor"),
        ("table", {"ids": np.array([7])}, Code.INVALID_ARGUMENT, "indices[0] = 7 is not in [0, 4)"),
    ],
)
def test_what_tensorflow_refuses(reference, signature, inputs, code, message):
    with pytest.raises(RequestError) as error:
        reference.predict(inputs, signature)
    assert (error.value.code, error.value.transport, error.value.signature) == (code, "in-process", signature)
    assert message in error.value.message
    assert reference.predict({"x": X}, "root")["y"].tolist() == [2, 1, 3]  # and it answers on


def test_the_relation_beside_a_server(reference, serving):
    [served] = serving.serve(ServeRequest((ModelRequest(PROMISED),))).values()
    inputs = {"x": np.array([[0, 1, 2], [3, 3, 3]], "f4")}
    outputs = served.grpc.predict(inputs=inputs, signature_name="softmax")
    promises = Promises("softmax", same=("in-process",))
    for signature, holds in (("softmax", True), ("slope", False)):
        ways = {"in-process": lambda inputs, name=signature: reference.predict(inputs, name)}
        broken = find_broken_relations(promises, served.signatures["softmax"], None, inputs, outputs, dict, ways)
        assert (broken == []) is holds


def test_what_cannot_be_loaded_is_said_once_and_not_tried_again(tmp_path, monkeypatch):
    (tmp_path / "tensorflow.py").write_text("raise SystemExit('this is not TensorFlow')")
    monkeypatch.chdir(tmp_path)
    reference = Reference(MODELS / "broken_vars" / "1")
    for _ in range(2):
        with pytest.raises(ExportError, match="Failed to find any matching files") as error:
            reference.predict({}, "serving_default")
        assert "this is not TensorFlow" not in str(error.value)
    assert not children(MODELS / "broken_vars" / "1")


def test_what_a_model_prints_is_no_answer(reference):
    for _ in range(2):
        assert reference.predict({"x": X}, "loud")["y"].tolist() == X.tolist()


def test_a_process_that_dies_is_replaced_and_one_that_hangs_is_given_up():
    export = EXPORTS / "aborting" / "1"
    reference = Reference(export)
    with pytest.raises(ServerDiedError, match=r"(?s)killed by SIGABRT.*this model ends its process"):
        reference.predict({"x": np.array(1)})
    with pytest.raises(RequestError, match="no signature 'nope'"):
        reference.predict({}, "nope")
    [child] = children(export)
    child.send_signal(signal.SIGSTOP)
    reference.request_timeout = 0.2
    with pytest.raises(RequestError, match=r"no answer within 0\.2 s") as error:
        reference.predict({}, "nope")
    assert error.value.code is Code.DEADLINE_EXCEEDED
    assert not children(export)


def test_it_ends_with_the_process_that_started_it(tmp_path):
    export = tmp_path / "export"
    export.symlink_to(PROMISED / "1")
    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from pytest_tfserving.reference.process import Reference\n"
        "reference = Reference(Path(sys.argv[1]))\n"
        "try:\n    reference.predict({}, 'nope')\n"
        "except Exception as error:\n    print(error, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(export)], stdout=subprocess.PIPE, text=True)
    try:
        assert "no signature 'nope'" in parent.stdout.readline()
        [child] = children(export)
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    assert wait_until(lambda: not psutil.pid_exists(child.pid) or child.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("garbage", [b"", b"GET / HTTP/1.1\r\n\r\n", frames.HEAD.pack(b"q", 2**63)])
def test_garbage_on_stdin_ends_it_quietly(garbage):
    command = [sys.executable, "-m", "pytest_tfserving.reference", str(PROMISED / "1"), "serve"]
    run = subprocess.run(command, input=garbage, capture_output=True, timeout=60, check=False, env=dict(os.environ))
    assert (run.returncode, run.stdout) == (0, b"")
