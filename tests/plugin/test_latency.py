"""Latency budgets on a real server: limits that any machine keeps, and limits that none does."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np

from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.serve_request import ModelRequest, ServeRequest
from pytest_tfserving.warmup_file import WARMUP_FILE

EXPORTS = Path(__file__).resolve().parents[1] / "server" / "exports"
SLOW = EXPORTS / "slow" / "1"
LAZY = EXPORTS / "lazy" / "1"

# The loop of the export `slow` counts up by this constant (a TensorProto's int64_val); by 127 it ends sooner.
_STEP = b"R\x01\n"
_LARGE_STEP = b"R\x01\x7f"


def export(target: Path, *, quick: bool = False) -> Path:
    """The export `slow`, which takes as many microseconds as `x` says, or a `quick` one that does the same in less."""
    shutil.copytree(SLOW, target)
    file = target / "saved_model.pb"
    content = file.read_bytes()
    assert content.count(_STEP) == 1
    if quick:
        file.write_bytes(content.replace(_STEP, _LARGE_STEP))
    return target


def contract(repository, text: str, model: str = "exports/half_plus_two") -> None:
    """Writes model.tfserving.toml: `text` under the model's table."""
    (repository.path / "model.tfserving.toml").write_text(f'[model]\npath = "{model}"\n{text}')


def test_the_example_of_tutorials_one_rest_call_with_a_clock_around_it(repository):
    repository.golden("one", {"instances": [1.0, 2.0, 5.0]})
    repository.test_file(
        """
@pytest.mark.tfserving_latency(max="60s", requests=1, warmup=0, transport="rest", request="goldens/one")
def test_a_call_is_quick(): ...
"""
    )
    result = repository.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*latency half_plus_two over rest: max * first call *; 1 request by 1 client, * /s")


def test_what_is_measured_stands_in_the_summary(repository):
    repository.test_file(
        """
@pytest.mark.parametrize("load", [
    pytest.param(load, marks=pytest.mark.tfserving_latency(
        p50="60s", p99="60s", max="60s", throughput=0.1, requests=100, warmup=5, transport=transport, **load))
    for transport in ("rest", "grpc") for load in ({}, {"concurrency": 4}, {"rate": 400})
])
def test_one_call_is_quick(load): ...
"""
    )
    result = repository.run()
    result.assert_outcomes(passed=6)
    for transport in ("grpc", "rest"):
        for how in ("by 1 client", "by 4 clients", "due 400 a second"):
            [line] = [
                line
                for line in result.stdout.lines
                if f"two over {transport}: " in line and f" requests {how}, " in line
            ]
            assert re.fullmatch(
                rf"  latency half_plus_two over {transport}: p50 [\d.]+ m?u?s, p99 [\d.]+ m?u?s, first call [\d.]+ m?u?s "
                rf"\(no warm-up(, asked before)?\); 100 requests {how}, [\d,]+ /s",
                line,
            )
    result.stdout.re_match_lines([r"  half_plus_two: 3 latency budgets over grpc, 3 latency budgets over rest"])


def test_a_budget_that_no_machine_keeps(repository):
    repository.test_file(
        """
@pytest.mark.tfserving_latency(p50="1ns", p90="60s", throughput=1e9, requests=20, warmup=3)
def test_latency():
    raise AssertionError("the body does not run")
"""
    )
    result = repository.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"latency of half_plus_two over grpc is not within its budget",
            r" +budget +measured",
            r"  p50 +1 ns +[\d.]+ m?u?s +<- too long",
            r"  p90 +60 s +[\d.]+ m?u?s$",
            r"  throughput +1,000,000,000 /s +[\d,]+ /s +<- too few",
            r"measured: [\d.]+ m?u?s \S.* [\d.]+ m?s",
            r"sent: 20 requests \(a request that was made up\) by 1 client, after a first call of [\d.]+ m?s "
            r"\(no warm-up\) and 3 for warming up",
        ]
    )
    result.stdout.no_fnmatch_line("*the body does not run*")
    result.stdout.fnmatch_lines("*1 latency budget over grpc (1 failed)")


def test_contract_files(repository):
    """Tables of one contract are tests of their own, and send the contract's goldens."""
    repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    repository.golden("rows", {"instances": [1.0]})
    repository.golden("other", {"inputs": {"x": [1.0]}, "signature_name": "other"})
    repository.golden("refused", {"inputs": {"z": [1.0]}, "expect_error": "INVALID_ARGUMENT"})
    contract(
        repository,
        """
[goldens]
path = "goldens"
[requests.inline]
inputs.x = [5.0]
outputs.y = [4.5]
[[latency]]
max = "60s"
requests = 10
[[latency]]
max = "60s"
requests = 10
concurrency = 2
[[latency]]
p50 = "1ns"
requests = 10
transport = "rest"
""",
    )
    result = repository.run("-k", "latency", "-v")
    result.assert_outcomes(passed=2, failed=1, deselected=10)
    result.stdout.fnmatch_lines(
        [
            "model.tfserving.toml::latency PASSED*",
            "model.tfserving.toml::latency[[]2[]] PASSED*",
            "model.tfserving.toml::latency[[]rest[]] FAILED*",
            "latency of half_plus_two over rest is not within its budget",
            "sent: 10 requests (3 golden cases) by 1 client, *",
            "model.tfserving.toml:16",
            "  latency half_plus_two over grpc: *; 10 requests by 1 client, *",
            "  latency half_plus_two over grpc: *; 10 requests by 2 clients, *",
            "  latency half_plus_two over rest: *; 10 requests by 1 client, *",
        ]
    )


def test_one_table_and_its_own_request(repository):
    repository.golden("one", {"inputs": {"x": [1.0, 2.0]}})
    repository.golden("two", {"inputs": {"x": [1.0, 2.0]}})
    contract(repository, '[goldens]\npath = "goldens"\n[latency]\np50 = "1ns"\nrequests = 5\nrequest = "goldens/two"\n')
    result = repository.run("-k", "latency", "-v")
    result.assert_outcomes(failed=1, deselected=4)
    result.stdout.fnmatch_lines(
        ["model.tfserving.toml::latency FAILED*", "sent: 5 requests (1 golden case) by 1 client, *"]
    )


def test_a_case_of_the_other_transport_alone_is_not_sent(repository):
    repository.golden("both", {"inputs": {"x": [1.0, 2.0]}})
    repository.golden("over-grpc", {"inputs": {"x": [1.0, 2.0]}, "transport": "grpc"})
    contract(repository, '[latency]\np50 = "1ns"\nrequests = 5\nrequest = "goldens"\ntransport = "rest"\n')
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines("sent: 5 requests (1 golden case) by 1 client, *")


def test_a_transport_that_is_not_tested_is_not_measured(repository):
    contract(repository, '[latency]\np50 = "1ns"\ntransport = "rest"\n')
    result = repository.run("--tfserving-transport", "grpc")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(
        "*ContractWarning: latency of half_plus_two over rest was not measured: it is not tested in this run"
    )


def test_what_cannot_be_measured(repository):
    problems = {
        "p50=5": "SpecError: tfserving_latency: p50=5; a duration was expected*",
        "": "SpecError: tfserving_latency: nothing to keep: *",
        "p50='1s', signature='other'": "SpecError: half_plus_two has no signature 'other'; it has *",
        "p50='1s', request='goldens/none'": "GoldenError: no golden */goldens/none. *",
        "p50='1s', transport='http'": "SpecError: tfserving_latency: transport='http'; rest or grpc was expected",
        "against='exports/none', at_most=1.2": "ExportError: the baseline of against=: *exports/none*",
        "against=7, at_most=1.2": "ExportError: against=7: no version 7 of half_plus_two in *",
    }
    tests = [
        f"@pytest.mark.tfserving_latency({arguments})\ndef test_{number}(): ...\n"
        for number, arguments in enumerate(problems)
    ]
    repository.test_file("\n".join(tests))
    result = repository.run()
    result.assert_outcomes(failed=len(problems))
    result.stdout.fnmatch_lines(list(problems.values()))


def test_a_request_that_is_refused_is_no_latency(repository):
    repository.golden("refused", {"inputs": {"x": [1, 2]}})
    repository.test_file(
        """
@pytest.mark.tfserving_latency(p50="60s", request="goldens/refused")
def test_latency(): ...
""",
        model=str(export(repository.path / "exports" / "slow" / "1")),
    )
    result = repository.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "latency of slow over grpc: the first request was not answered: INVALID_ARGUMENT over grpc *"
    )


def test_some_requests_that_are_refused(repository):
    """Every second request is; so many may fail, or they do not."""
    repository.golden("a", {"inputs": {"x": 1}})
    repository.golden("b", {"inputs": {"x": [1, 2]}})
    contract(
        repository,
        '[[latency]]\nmax = "60s"\nrequest = "goldens"\nrequests = 20\nfailing = 0.5\n'
        '[[latency]]\nmax = "60s"\nrequest = "goldens"\nrequests = 20\nfailing = 0.1\ntransport = "rest"\n',
        model=str(export(repository.path / "exports" / "slow" / "1")),
    )
    result = repository.run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"latency of slow over rest is not within its budget",
            r"  failing +2 +3 +<- too many",
            r"measured: 3 failed: INVALID_ARGUMENT over rest, HTTP 400 \(model slow, signature serving_default\): .*",
            r"sent: 6 requests of 20, then it was given up \(2 golden cases\) by 1 client, .*",
            r"  latency slow over grpc: .*; 20 requests by 1 client, .* /s, 10 failed",
        ]
    )


def test_a_slower_export_fails_and_a_quicker_one_holds(repository):
    slow = export(repository.path / "exports" / "slow" / "1")
    quick = export(repository.path / "exports" / "quick" / "1", quick=True)
    # So much work that a busy machine, which gives others 10 ms at a time, is not all that is measured.
    repository.golden("work", {"inputs": {"x": 50_000}, "outputs": {"y": 50_000}})
    for name, model, against in (("slower", slow, quick), ("quicker", quick, slow)):
        (repository.path / f"{name}.tfserving.toml").write_text(
            f'[model]\npath = "{model}"\nname = "{name}"\n[latency]\nagainst = "{against}"\nat_most = 1.5\n'
            f'request = "goldens/work"\nrequests = 20\nwarmup = 2\n'
        )
    result = repository.run("--tfserving-json", "report.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.re_match_lines(
        [
            r"latency of slower over grpc is not within its budget",
            r"  p50 ratio +1\.5 +[\d.]+ times \([\d.]+ to [\d.]+\) +<- too long",
            r" +p50 +p90 +p99 +max +first call +answers",
            r"  measured( +[\d.]+ m?s){2} +-( +[\d.]+ m?s){2} +[\d,]+ /s",
            r"  baseline( +[\d.]+ m?s){2} +-( +[\d.]+ m?s){2} +[\d,]+ /s",
            r"baseline: .*exports/quick/1, asked by turns with the model, after a first call of \S+ m?s \(no warm-up\)",
        ]
    )
    document = json.loads((repository.path / "report.json").read_text(encoding="utf-8"))
    found = {entry["test"]: entry for entry in document["latencies"]}
    slower, quicker = (found[f"{name}.tfserving.toml::latency[against]"] for name in ("slower", "quicker"))
    assert (slower["model"], slower["signature"], slower["transport"]) == ("slower", "serving_default", "grpc")
    assert slower["ratios"]["p50"]["low"] > 1.5
    assert quicker["ratios"]["p50"]["high"] < 1
    assert [(entry["status"], entry["budget"][0]["standing"]) for entry in (slower, quicker)] == [
        ("failed", "failed"),
        ("held", "held"),
    ]
    for side in (slower["measured"], slower["baseline"]):
        assert side["answered"] == sum(side["histogram"]["counts"]) == 20
        edges, percentiles = side["histogram"]["edges"], side["percentiles"]
        assert 1e-5 < edges[0] <= percentiles["p50"] <= percentiles["max"] <= edges[-1] < 60  # in seconds


def test_an_export_is_as_quick_as_its_copy(repository):
    shutil.copytree(repository.path / "exports" / "half_plus_two", repository.path / "old")
    repository.test_file(
        """
@pytest.mark.tfserving_latency(against="old", at_most=20, requests=200, concurrency=2)
def test_latency(): ...
"""
    )
    result = repository.run()
    result.assert_outcomes(passed=1)
    result.stdout.re_match_lines(
        [r"  latency half_plus_two over grpc: .* p50 [\d.]+ times \([\d.]+ to [\d.]+\) that of old, .*"]
    )


def write_warmup(target: Path, *signatures: str, x: int = 1) -> None:
    """Gives an export a warm-up file of a request for each signature."""
    file = target / WARMUP_FILE
    file.parent.mkdir()
    with file.open("wb") as stream:
        write_log(stream, [("any", signature, {"x": np.int64(x)}, None) for signature in signatures])


def test_what_warm_up_requests_spare_the_first_call(repository):
    """The model does a lot in the first request of its life, and nothing later."""
    for name in ("cold", "warm"):
        shutil.copytree(LAZY, repository.path / name / "1")
    write_warmup(repository.path / "warm" / "1", *["serving_default"] * 3)
    repository.test_file(
        """
@pytest.mark.tfserving_latency(against="warm", at_most=1000, requests=20, warmup=0)
def test_both(): ...
@pytest.mark.tfserving("warm")
@pytest.mark.tfserving_latency(p50="60s", requests=20, transport="rest")
def test_one(): ...
""",
        model="cold",
    )
    result = repository.run("--tfserving-json", "report.json")
    result.assert_outcomes(passed=2)
    result.stdout.re_match_lines(
        [
            r"  latency cold over grpc: .*, first call \S+ m?s \(no warm-up\), that of warm \S+ m?s "
            r"\(3 warm-up requests\); .*",
            r"  latency warm over rest: .*, first call \S+ m?s \(3 warm-up requests\); .*",
        ]
    )
    both, one = json.loads((repository.path / "report.json").read_text(encoding="utf-8"))["latencies"]
    cold, warm = both["measured"], both["baseline"]
    assert (cold["warmup_requests"], warm["warmup_requests"], one["measured"]["warmup_requests"]) == (0, 3, 3)
    assert {cold["asked_before"], warm["asked_before"], one["measured"]["asked_before"]} == {False}
    assert cold["first_call"] > 10 * cold["percentiles"]["p50"]
    assert cold["first_call"] > warm["first_call"]


def test_what_came_before_a_first_call(repository):
    """Warm-up of another signature is none, and none is done where a flag says so; others may have asked the model."""
    for name in ("other", "warm"):
        shutil.copytree(LAZY, repository.path / name / "1")
    file = repository.path / "other" / "1" / "saved_model.pb"
    file.write_bytes(file.read_bytes().replace(b"serving_default", b"serving_another"))
    write_warmup(repository.path / "other" / "1", "serving_another")
    write_warmup(repository.path / "warm" / "1", "serving_default", "serving_default")
    repository.test_file(
        """
latency = pytest.mark.tfserving_latency(p50="60s", requests=5)

@latency
@pytest.mark.tfserving("warm", isolated=True)
def test_a(tfserving_grpc):
    tfserving_grpc.predict(inputs={"x": 1})
@latency
@pytest.mark.tfserving("warm", isolated=True)
def test_b(): ...
@latency
@pytest.mark.tfserving("warm", server_args=["--enable_model_warmup=False"])
def test_c(): ...
@pytest.mark.tfserving_latency(p50="60s", requests=5, signature="serving_another")
@pytest.mark.tfserving("other")
def test_d(): ...
@latency
@pytest.mark.tfserving("warm", version=1, isolated=True)
def test_e_by_another_marker(): ...
""",
        model=None,
    )
    repository.run("--tfserving-json", "report.json").assert_outcomes(passed=5)
    found = json.loads((repository.path / "report.json").read_text(encoding="utf-8"))["latencies"]
    assert [(entry["measured"]["warmup_requests"], entry["measured"]["asked_before"]) for entry in found] == [
        (2, False),
        (2, True),
        (0, False),
        (1, False),
        (2, True),
    ]
    result = repository.run("-n", "2", "-k", "test_a")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines("*first call * (2 warm-up requests, perhaps asked before); *")


def test_who_has_asked_a_remote_server_is_known_as_far_as_this_run_did(repository, serving, examples):
    export = examples / "half_plus_two" / "exports" / "half_plus_two"
    [served] = serving.serve(ServeRequest((ModelRequest(export),))).values()
    mark = "@pytest.mark.tfserving_latency(p50='60s', requests=20)"
    repository.test_file(f"{mark}\ndef test_one(): ...\n{mark}\ndef test_two(): ...\n")
    addresses = (
        f"--tfserving-rest-url={served.endpoint.rest_url}",
        f"--tfserving-grpc-target={served.endpoint.grpc_target}",
    )
    result = repository.run_here(*addresses, backend="remote")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*first call * (perhaps asked before);*", "*first call * (asked before);*"])


def test_warm_up_of_the_models_other_signature_is_none(repository, examples):
    shutil.copytree(examples / "keras_export" / "exports" / "keras_export" / "1", repository.path / "two" / "1")
    file = repository.path / "two" / "1" / WARMUP_FILE
    file.parent.mkdir()
    with file.open("wb") as stream:
        write_log(stream, [("two", "serve", {"measures": np.zeros((1, 4), "f4")}, None)])
    mark = "@pytest.mark.tfserving_latency(p50='60s', requests=5, signature={!r})\n".format
    repository.test_file(
        f"{mark('serving_default')}def test_one(): ...\n{mark('serve')}def test_other(): ...\n", model="two"
    )
    result = repository.run_here()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*first call * (no warm-up);*", "*first call * (1 warm-up request, asked before);*"])


def test_measurements_of_workers_are_shown(repository):
    for number, p50 in enumerate(("60s", "60s", "1ns")):
        repository.test_file(f"@pytest.mark.tfserving_latency(p50={p50!r}, requests=20)\ndef test_latency(): ...\n")
        (repository.path / "test_model.py").rename(repository.path / f"test_{number}.py")
    result = repository.run("-n", "2")
    result.assert_outcomes(passed=2, failed=1)
    assert len(re.findall(r"^  latency half_plus_two over grpc: ", result.stdout.str(), re.MULTILINE)) == 3
    result.stdout.fnmatch_lines("2 workers of pytest-xdist shared the machine; *")


def test_nothing_else_starts_while_it_is_measured(repository):
    """The other model's server was started at the end of the collection, and would take a core."""
    export(repository.path / "exports" / "slow" / "1")
    write_warmup(repository.path / "exports" / "slow" / "1", "serving_default", x=1_000_000)  # a second, or more
    repository.test_file(
        """
@pytest.mark.tfserving_latency(p50="60s", requests=10, warmup=0)
def test_latency(request, tfserving):
    run = tfserving._server.directory.parent
    servers = [directory for directory in run.iterdir() if directory.is_dir()]
    assert [(directory / "server.json").exists() for directory in servers] == [True, True]
@pytest.mark.tfserving("exports/slow", isolated=True)
def test_other(tfserving): ...
"""
    )
    repository.run().assert_outcomes(passed=2)


def test_a_server_that_ends_is_no_request_that_may_fail(repository):
    repository.test_file(
        """
import psutil
from pytest_tfserving.latency import measure

@pytest.fixture
def ends_at_the_15th(monkeypatch, tfserving):
    real = measure.run_load
    def run_load(send, numbers, load, most_errors):
        def sent(number):
            if number == 15:
                directory = str(tfserving._server.directory)
                for process in psutil.process_iter(["cmdline"]):
                    words = process.info["cmdline"] or ()
                    if "pytest_tfserving.server" in words and directory in " ".join(words):
                        process.kill()
            return send(number)
        return real(sent, numbers, load, most_errors)
    monkeypatch.setattr(measure, "run_load", run_load)

@pytest.mark.tfserving_latency(p50="60s", requests=20, warmup=0, failing=0.5)
def test_latency(ends_at_the_15th): ...
"""
    )
    result = repository.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        "*ServerDiedError: the embedded server of half_plus_two ended while its answers were timed: killed by SIGKILL"
    )
