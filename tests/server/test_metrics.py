"""The page of metrics, as tensorflow_model_server prints it, and what counts where."""

from __future__ import annotations

import re
import shutil
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest

from pytest_tfserving import tensors
from pytest_tfserving.server import metrics
from pytest_tfserving.warmup_file import WARMUP_FILE, masked_crc32c
from pytest_tfserving.wire import serving_pb2 as serving

PAGE = "/monitoring/prometheus/metrics"
SERVICE = "/tensorflow.serving.PredictionService/"
RELOAD = "/tensorflow.serving.ModelService/HandleReloadConfigRequest"

PREDICT = '{"instances": [1.0, 2.0]}'
EXAMPLES = '{"examples": [{"x": [1.0, 2.0]}]}'


@pytest.fixture
def monitored(start_server: Any, models: Path, tmp_path: Path) -> Any:
    """A server of the models `m` and `examples` that has counted nothing yet."""
    monitoring = tmp_path / "monitoring.config"
    monitoring.write_text("prometheus_config { enable: true }")
    config = tmp_path / "models.config"
    config.write_text(f"""model_config_list {{
        config {{ name: "m" base_path: "{models}/versions" model_platform: "tensorflow" }}
        config {{ name: "examples" base_path: "{models}/examples" model_platform: "tensorflow" }}
    }}""")
    return start_server(f"--model_config_file={config}", f"--monitoring_config_file={monitoring}")


def _values(server: Any) -> dict[str, str]:
    """Every line of the page but its comments: what is counted -> the number."""
    status, content_type, page = server.rest("GET", PAGE)
    assert (status, content_type) == (200, "text/plain")
    lines = page.decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def _counts(server: Any) -> dict[str, int]:
    """The counters, and how often each histogram was added to, without the common start of their names."""
    return {
        name.removeprefix(":tensorflow:serving:").replace("_count{", "{"): int(value)
        for name, value in _values(server).items()
        if "_bucket{" not in name and "_sum{" not in name
    }


@contextmanager
def _counting(server: Any) -> Iterator[dict[str, int]]:
    """What the block has counted, once it has ended."""
    before = _counts(server)
    increase: dict[str, int] = {}
    yield increase
    increase.update({name: n - before.get(name, 0) for name, n in _counts(server).items() if n != before.get(name)})


def test_before_anything_was_asked(monitored: Any) -> None:
    page = monitored.rest("GET", PAGE)[2].decode()
    assert page == "".join(
        f"# TYPE :tensorflow:serving:{name} {kind}\n"
        for name, kind in [
            ("model_warmup_latency", "histogram"),
            ("model_warmup_records_read", "counter"),
            ("request_count", "counter"),
            ("request_example_count_total", "counter"),
            ("request_example_counts", "histogram"),
            ("request_latency", "histogram"),
            ("runtime_latency", "histogram"),
        ]
    )


REST = {"request": ("model_name", "status"), "request_latency": ("model_name", "API", "entrypoint")}
LABELS = {**REST, "runtime_latency": ("model_name", "API", "runtime")}

# method, path, body -> status, what was counted once, by the values of its labels
ASKED_OVER_REST: list[tuple[tuple[str, str, str | None], int, dict[str, tuple[str, ...]]]] = [
    (("GET", "/v1/models/m", None), 200, {"request": ("m", "OK"), "request_latency": ("m", "", "REST")}),
    (("GET", "/v1/models/m/metadata", None), 200, {"request": ("m", "OK"), "request_latency": ("m", "", "REST")}),
    (
        ("POST", "/V1/models/%6d/versions/3:predict", PREDICT),
        200,
        {
            "request": ("m", "OK"),
            "request_latency": ("m", "predict", "REST"),
            "runtime_latency": ("m", "Predict", "TF1"),
        },
    ),
    (
        ("POST", "/v1/models/examples:classify", EXAMPLES),
        200,
        {
            "request": ("examples", "OK"),
            "request_latency": ("examples", "classify", "REST"),
            "runtime_latency": ("examples", "Classify", "TF1"),
        },
    ),
    (("POST", "/v1/models/m:predict", "["), 400, {"request": ("m", "INVALID_ARGUMENT")}),
    (("POST", "/v1/models/m:PREDICT", PREDICT), 400, {"request": ("m", "INVALID_ARGUMENT")}),
    (("POST", f"/v1/models/m/versions/{2**63}:predict", PREDICT), 400, {"request": ("m", "INVALID_ARGUMENT")}),
    (("POST", "/v1/models/none:predict", PREDICT), 404, {"request": ("none", "NOT_FOUND")}),
    (("GET", "/v1/models/a%22%5C", None), 404, {"request": ('a\\"\\\\', "NOT_FOUND")}),
    (("PUT", "/v1/models/m:predict", PREDICT), 400, {"request": ("", "INVALID_ARGUMENT")}),
    (("GET", "/v1/models/m:predict", None), 400, {"request": ("", "INVALID_ARGUMENT")}),
    (("OPTIONS", "/v1/models/m", None), 400, {"request": ("", "FAILED_PRECONDITION")}),
    (("GET", "/v2", None), 404, {}),
    (("GET", PAGE, None), 200, {}),
]


def _named(counted: dict[str, tuple[str, ...]]) -> dict[str, int]:
    return {
        name + "{" + ",".join(f'{label}="{v}"' for label, v in zip(LABELS[name], values, strict=True)) + "}": 1
        for name, values in counted.items()
    }


def test_requests_over_rest(monitored: Any) -> None:
    for asked, status, counted in ASKED_OVER_REST:
        with _counting(monitored) as increase:
            assert monitored.rest(*asked)[0] == status
        assert increase == _named(counted), asked


def _add_example(inputs: serving.Input) -> None:
    inputs.example_list.examples.add().features.feature["x"].float_list.value.extend([1.0, 2.0])


def _request(kind: Any, name: str, signature: str = "") -> Any:
    request = kind(model_spec=serving.ModelSpec(name=name, signature_name=signature))
    if kind is serving.PredictRequest:
        request.inputs["x"].CopyFrom(tensors.to_proto(np.array([1], dtype=np.float32)))
    else:
        _add_example(request.input)
    return request


ASKED_OVER_GRPC: list[tuple[str, Any, str | None, dict[str, tuple[str, ...]]]] = [
    (
        "Predict",
        _request(serving.PredictRequest, "m"),
        None,
        {
            "request": ("m", "OK"),
            "request_latency": ("m", "Predict", "GRPC"),
            "runtime_latency": ("m", "Predict", "TF1"),
        },
    ),
    (
        "Regress",
        _request(serving.RegressionRequest, "examples", "regress"),
        None,
        {
            "request": ("examples", "OK"),
            "request_latency": ("examples", "Regress", "GRPC"),
            "runtime_latency": ("examples", "Regress", "TF1"),
        },
    ),
    ("Predict", _request(serving.PredictRequest, "none"), "NOT_FOUND", {"request": ("none", "NOT_FOUND")}),
    ("Classify", serving.ClassificationRequest(), "INVALID_ARGUMENT", {"request": ("", "INVALID_ARGUMENT")}),
    ("GetModelMetadata", serving.GetModelMetadataRequest(), "INVALID_ARGUMENT", {}),
]


def test_requests_over_grpc(monitored: Any) -> None:
    for method, request, code, counted in ASKED_OVER_GRPC:
        with _counting(monitored) as increase:
            try:
                monitored.call(SERVICE + method, request.SerializeToString())
                got = None
            except grpc.RpcError as error:
                got = error.code().name
        assert got == code
        assert increase == _named(counted), (method, request)


def test_multi_inference_counts_its_examples_only(monitored: Any) -> None:
    task = serving.InferenceTask(model_spec={"name": "examples"}, method_name="tensorflow/serving/classify")
    request = serving.MultiInferenceRequest(tasks=[task])
    for _ in range(4):
        _add_example(request.input)
    monitored.call(SERVICE + "MultiInference", request.SerializeToString())
    values = _values(monitored)
    assert values.pop(':tensorflow:serving:request_example_count_total{model="examples"}') == "4"
    # 1, 2, 4 ... 16384; a limit belongs to the bucket above it
    name = ":tensorflow:serving:request_example_counts"
    limits = [str(2**power) for power in range(15)] + ["+Inf"]
    assert values == {
        **{f'{name}_bucket{{model="examples",le="{limit}"}}': str(int(i > 2)) for i, limit in enumerate(limits)},
        name + '_sum{model="examples"}': "4",
        name + '_count{model="examples"}': "1",
    }


def test_limits_of_latencies(monitored: Any) -> None:
    for _ in range(3):
        monitored.rest("GET", "/v1/models/m")
    page = monitored.rest("GET", PAGE)[2].decode()
    pairs = re.findall(
        r':tensorflow:serving:request_latency_bucket{model_name="m",API="",entrypoint="REST",le="(.*)"} (.*)', page
    )
    # 10 * 1.8 ** i in six digits, as tensorflow's Buckets::Exponential(10, 1.8, 33) was seen to be printed
    assert " ".join(limit for limit, _ in pairs) == (
        "10 18 32.4 58.32 104.976 188.957 340.122 612.22 1102 1983.59 3570.47 6426.84 11568.3 20823 37481.3 67466.4 "
        "121440 218591 393464 708235 1.27482e+06 2.29468e+06 4.13043e+06 7.43477e+06 1.33826e+07 2.40887e+07 "
        "4.33596e+07 7.80473e+07 1.40485e+08 2.52873e+08 4.55172e+08 8.19309e+08 1.47476e+09 +Inf"
    )
    counts = [int(count) for _, count in pairs]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == 3


def test_the_page_is_in_order(monitored: Any) -> None:
    for name in ("b", "a", "c"):
        monitored.rest("GET", f"/v1/models/{name}")
    page = monitored.rest("GET", PAGE)[2].decode()
    assert page.endswith("\n") and "# HELP" not in page
    assert re.findall(r'request_count{model_name="(.)"', page) == ["a", "b", "c"]


def test_many_at_once_are_all_counted(monitored: Any) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: monitored.rest("POST", "/v1/models/m:predict", PREDICT), range(200)))
    assert _counts(monitored)['request{model_name="m",status="OK"}'] == 200
    assert _counts(monitored)['runtime_latency{model_name="m",API="Predict",runtime="TF1"}'] == 200


def test_reload_tells_what_has_increased(monitored: Any, models: Path) -> None:
    """The first number of a metric, before and after; a histogram and an unknown name have none."""
    monitored.rest("GET", "/v1/models/m")
    request = serving.ReloadConfigRequest(
        metric_names=[
            "/tensorflow/serving/request_count",
            "/tensorflow/serving/model_warmup_records_read",
            "/tensorflow/serving/request_latency",
            "/none",
        ]
    )
    request.config.model_config_list.config.add(
        name="warm", base_path=str(_with_warmup(monitored, models)), model_platform="tensorflow"
    )
    response = serving.ReloadConfigResponse.FromString(monitored.call(RELOAD, request.SerializeToString()))
    assert {metric.name: metric.int64_value_increase for metric in response.metric} == {
        "/tensorflow/serving/request_count": 0,
        "/tensorflow/serving/model_warmup_records_read": 1,
        "/tensorflow/serving/request_latency": 0,
        "/none": 0,
    }


def test_warm_up(monitored: Any, models: Path) -> None:
    """Runs count under the name in the record, requests do not."""
    base = _with_warmup(monitored, models)
    request = serving.ReloadConfigRequest()
    request.config.model_config_list.config.add(name="warm", base_path=str(base), model_platform="tensorflow")
    with _counting(monitored) as increase:
        monitored.call(RELOAD, request.SerializeToString())
    assert increase == {
        f'model_warmup_latency{{model_path="{base}/3",status="OK"}}': 1,
        f'model_warmup_records_read{{model_path="{base}/3",status="OK"}}': 1,
        'runtime_latency{model_name="recorded",API="Predict",runtime="TF1"}': 1,
    }


def _with_warmup(server: Any, models: Path) -> Path:
    """A folder with a version that has one record to warm up with."""
    base: Path = server.log_file.parent / "warm"
    shutil.copytree(models / "versions" / "3", base / "3")
    request = _request(serving.PredictRequest, "recorded").SerializeToString()
    inner = b"\x0a" + bytes([len(request)]) + request
    log = b"\x32" + bytes([len(inner)]) + inner  # PredictionLog.predict_log.request
    length = struct.pack("<Q", len(log))
    file = base / "3" / WARMUP_FILE
    file.parent.mkdir()
    file.write_bytes(length + struct.pack("<I", masked_crc32c(length)) + log + bytes(4))
    return base


@pytest.mark.parametrize(
    ("method", "target", "answer"),
    [
        ("GET", "/v1/metrics", (200, "text/plain")),
        ("POST", "/v1/metrics", (200, "text/plain")),
        ("DELETE", "/v1/metrics", (200, "text/plain")),
        ("GET", "/v1/metrics?a=b", (400, "text/plain")),
        ("GET", "/v1/Metrics", (400, "application/json")),
        ("GET", PAGE, (404, "text/html")),
    ],
)
def test_the_path_is_exact(start_server: Any, tmp_path: Path, method: str, target: str, answer: Any) -> None:
    for name, text in [("monitoring", 'prometheus_config { enable: true path: "/v1/metrics" }'), ("models", "#")]:
        (tmp_path / name).write_text(text)
    server = start_server(f"--model_config_file={tmp_path}/models", f"--monitoring_config_file={tmp_path}/monitoring")
    *got, body = server.rest(method, target)
    assert tuple(got) == answer
    if "?" in target:
        assert body == b"Unexpected path: /v1/metrics?a=b. Should be /v1/metrics"


@pytest.mark.parametrize("text", [None, "prometheus_config { path: '/monitoring/prometheus/metrics' }", "#"])
def test_no_page_unless_enabled(start_server: Any, tmp_path: Path, text: str | None) -> None:
    (tmp_path / "models").write_text("#")
    (tmp_path / "monitoring").write_text(text or "")
    flags = [f"--monitoring_config_file={tmp_path}/monitoring"] if text else []
    assert start_server(f"--model_config_file={tmp_path}/models", *flags).rest("GET", PAGE)[0] == 404


def test_a_file_that_cannot_be_read(fail_to_start: Any, models: Path, tmp_path: Path) -> None:
    file = tmp_path / "monitoring"
    for text, reason in [(None, "No such file or directory"), ("prometheus { }", "Invalid protobuf file: ")]:
        if text:
            file.write_text(text)
        status, output = fail_to_start(
            "--port=0", "--rest_api_port=0", f"--model_base_path={models}/versions", f"--monitoring_config_file={file}"
        )
        assert status == 255
        assert reason in output


def test_numbers_and_escapes() -> None:
    histogram = metrics.Histogram("/a-b/c", [1, 2.5], "one", "two")
    for number in (0.5, 1, 2.5, 12345678):
        histogram.add(('x"', "\\"), number)
    labels = 'one="x\\"",two="\\\\"'
    assert list(histogram.lines()) == [
        "# TYPE :a:b:c histogram",
        f':a:b:c_bucket{{{labels},le="1"}} 1',
        f':a:b:c_bucket{{{labels},le="2.5"}} 2',
        f':a:b:c_bucket{{{labels},le="+Inf"}} 4',
        f":a:b:c_sum{{{labels}}} 1.23457e+07",
        f":a:b:c_count{{{labels}}} 4",
    ]
