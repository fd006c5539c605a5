"""Goldens as one test a transport: sent several at a time, judged one by one and all together, and recorded."""

import json
import re
import shutil
import signal

import numpy as np
import pytest

from pytest_tfserving.golden.formats.prediction_log import write_log
from pytest_tfserving.golden.store import read_cases

MARK = '@pytest.mark.tfserving_golden("goldens/{}")\ndef test_set(): ...\n'


def one_test(repository, keywords='"goldens", together=True'):
    repository.test_file(f"@pytest.mark.tfserving_golden({keywords})\ndef test_set(): ...\n")


def half_plus_two(x):
    return {"inputs": {"x": [x]}, "outputs": {"y": [x / 2 + 2]}}


def cases(repository, wrong=(), by=1.0, count=20):
    """goldens/many.json: `count` cases, of which the `wrong` ones are recorded otherwise than the model answers."""
    document = {"cases": {f"c{n:02}": half_plus_two(float(n)) for n in range(count)}}
    for n in wrong:
        document["cases"][f"c{n:02}"]["outputs"]["y"][0] += by
    return repository.golden("many", document)


def test_all_cases_are_one_test_a_transport(repository):
    cases(repository)
    repository.golden("one", {"inputs": {"x": [1.0]}, "outputs": {"y": [2.5]}, "transport": "grpc"})
    repository.golden("refused", {"inputs": {"x": ["one"]}, "expect_error": "INVALID_ARGUMENT"})
    one_test(repository)
    result = repository.run_here("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "*::test_set[[]goldens-together-rest[]] PASSED*",
            "*::test_set[[]goldens-together-grpc[]] PASSED*",
            "  half_plus_two: 22 golden cases over grpc, 21 golden cases over rest",
        ]
    )


def test_a_failure_names_the_cases_that_fail(repository):
    cases(repository, wrong=(3, 5, 7, 11))
    one_test(repository)
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "goldens goldens, sent to half_plus_two over grpc: 4 of 20 cases fail",
            "the first 3 of the 4 that fail by themselves",
            "goldens/many.json [[]c03[]] (signature 'serving_default')",
            "  output  differing  worst at  expected  served  max abs error  max rel error",
            "  y       1 of 1     [[]0[]]       4.5       3.5     1              0.222",
            "goldens/many.json [[]c05[]] (signature 'serving_default')",
            "goldens/many.json [[]c07[]] (signature 'serving_default')",
            "shows more of them: pytest -v 'test_model.py::test_set[[]goldens-together-grpc[]]'",
            "each case is a test of its own, to be run alone, without together",
            "if the new answers are right: pytest --tfserving-update=changed 'test_model.py::test_set[[]goldens-together-grpc[]]'",
            "  half_plus_two: 20 golden cases over grpc (4 failed)",
        ]
    )
    result.stdout.no_fnmatch_line("*c11*")
    repository.run_here("--tfserving-transport=grpc", "-v").stdout.fnmatch_lines(
        ["the 4 that fail by themselves", "*c11*"]
    )


@pytest.mark.parametrize(
    ("overall", "held"),
    [
        ("{'y': {'differing': 0.1}}", True),
        ("{'y': {'differing': 0.09}}", False),
        ("{'y': {'mean_absolute': 0.1}}", True),
        ("{'y': {'mean_absolute': 0.09}}", False),
        ("{'y': {'rtol': 0.5}}", True),
    ],
)
def test_what_holds_of_all_cases_together(repository, overall, held):
    """Two of twenty values are off by 1."""
    cases(repository, wrong=(3, 5))
    one_test(repository, f'"goldens", overall={overall}')
    result = repository.run_here()
    result.assert_outcomes(passed=2 * held, failed=2 * (not held))
    words = "1 output over all cases" + ("" if held else " (1 failed)")
    result.stdout.fnmatch_lines([f"  half_plus_two: 20 golden cases over grpc, 20 golden cases over rest, {words}"])


def test_a_failure_of_all_cases_together(repository):
    cases(repository, wrong=(3, 5))
    one_test(repository, '"goldens", overall={"y": {"differing": 0.05, "mean_absolute": 0.01}}')
    result = repository.run_here("--tfserving-transport=grpc")
    text = [" ".join(line.split()) for line in result.outlines]
    at = text.index("all cases together")
    assert text[at - 2] == (
        "goldens goldens, sent to half_plus_two over grpc: over all 20 cases y differs more than is allowed"
    )
    assert text[at : at + 15] == [
        "all cases together",
        "output asked differing share allowed",
        "y rtol=1e-05 atol=1e-08 2 of 20 values in 20 cases 10 % 5 % <- too many",
        "y mean_absolute=0.01 in 20 cases mean 0.1 0.01 <- too large",
        "",
        "the worst of y, rtol=1e-05 atol=1e-08",
        "case at expected served error",
        "goldens/many.json [c03] [0] 4.5 3.5 1",
        "goldens/many.json [c05] [0] 5.5 4.5 1",
        "",
        "the worst of y, mean_absolute=0.01",
        "case at expected served error",
        "goldens/many.json [c03] - mean error <= 0.01 1 1",
        "goldens/many.json [c05] - mean error <= 0.01 1 1",
        "",
    ]
    assert text[at + 15] == ("would have passed with rtol=0.3 or atol=1 or differing=0.1 (y), mean_absolute=0.1 (y)")


def test_an_output_may_have_a_rule_in_each_case_and_one_over_all(repository):
    """Two of twenty values are off by 1: that many may be wrong, but none by as much."""
    cases(repository, wrong=(3, 5))
    both = '"goldens", overall={{"y": {{"differing": 0.1}}}}, outputs={{"y": {{"atol": {}}}}}'
    one_test(repository, both.format(1.0))
    repository.run_here().assert_outcomes(passed=2)
    one_test(repository, both.format(0.5))
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["goldens goldens, sent to half_plus_two over grpc: 2 of 20 cases fail"])


def test_goldens_of_another_environment_are_said_to_be_so_first(repository):
    """The allowed share is exceeded, and no case fails by itself."""
    file = cases(repository, wrong=(3, 5))
    document = json.loads(file.read_text())
    document["provenance"] = {"backend": "embedded", "tensorflow": "1.0"}
    file.write_text(json.dumps(document))
    one_test(repository, '"goldens", overall={"y": {"differing": 0.05}}')
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["goldens goldens, *", "the golden was made elsewhere; *", "*tensorflow*1.0*", "all cases*"]
    )


def test_nan_over_all_cases(repository):
    """exp(-inf) - 1 and the like: NaN was recorded, NaN is served, and nobody has asked that these be equal."""
    nan = {"dtype": "float32", "shape": [1], "values": ["NaN"]}
    repository.golden("nan", {"inputs": {"x": nan}, "outputs": {"y": nan}})
    one_test(repository, '"goldens", overall={"y": {"differing": 0.05}}')
    result = repository.run_here("--tfserving-transport=grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["NaN equals NaN only where that is asked for: equal_nan in the rule"])


def test_what_is_refused_is_not_to_be_recorded(repository):
    """Here is no answer that could be the right one from now on."""
    repository.golden("refused", {"inputs": {"x": [[1.0], [2.0, 3.0]]}, "outputs": {"y": [2.5]}})
    repository.golden("other", {"inputs": {"why": [1.0]}, "outputs": {"y": [2.5]}})
    one_test(repository)
    result = repository.run_here("--tfserving-transport=grpc")
    result.stdout.fnmatch_lines(["goldens goldens, sent to half_plus_two over grpc: 2 of 2 cases fail"])
    result.stdout.no_fnmatch_line("if the new answers are right*")


def test_a_function_of_ones_own_is_called_for_one_answer_at_a_time(repository):
    cases(repository)
    (repository.path / "own.py").write_text(
        "import threading, time\n"
        "busy = threading.Lock()\n"
        "def check(expected, served):\n"
        "    if not busy.acquire(blocking=False):\n"
        "        return 'called by two threads'\n"
        "    time.sleep(0.002)\n"
        "    busy.release()\n"
        "    return True\n"
    )
    one_test(repository, '"goldens", together=True, outputs={"y": {"custom": "own:check"}}')
    repository.run_here().assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("overall", "text"),
    [
        ("{'why': {'differing': 0.1}}", "*SpecError: overall['why'] is of no output (known: 'y')*"),
        (
            "{'y': {'argmax': True, 'top_k': 2}}",
            "*SpecError: top_k=2 says nothing of output 'y', whose rows have 1 class*",
        ),
    ],
)
def test_rules_that_cannot_be_meant(repository, overall, text):
    cases(repository)
    one_test(repository, f'"goldens", overall={overall}')
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines([text.replace("[", "[[]", 1).replace("'why']", "'why'[]]")])


def test_a_set_in_which_no_case_has_the_output_fails(repository):
    repository.golden("refused", {"inputs": {"x": ["one"]}, "expect_error": "INVALID_ARGUMENT"})
    one_test(repository, '"goldens", overall={"y": {"differing": 0.1}}')
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*overall[[]'y'[]]: none of the cases has that output*"])


def test_a_set_against_a_baseline(repository):
    """What is recorded does not matter, and there need not be anything recorded."""
    shutil.copytree(repository.path / "exports" / "half_plus_two", repository.path / "exports" / "old")
    cases(repository, wrong=(3,))
    repository.golden("alone", {"inputs": {"x": [1.0]}})
    one_test(repository, '"goldens", overall={"y": {"mean_absolute": 0.0}}, against="exports/old"')
    result = repository.run_here("-v")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*[[]goldens-together-against-grpc[]] PASSED*", "*21 golden cases over grpc*"])


class TestRecording:
    @pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "xdist"])
    def test_each_case_that_must_be_is_recorded(self, repository, workers):
        file = cases(repository, wrong=(3,))
        document = json.loads(file.read_text())
        del document["cases"]["c04"]["outputs"]
        file.write_text(json.dumps(document))
        one_test(repository)
        result = repository.run_here(*workers)
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(["*: 2 of 20 cases fail", "*c04*has no outputs yet; record them with*"])
        repository.run_here("--tfserving-update=new", *workers).assert_outcomes(failed=2)
        result = repository.run_here("--tfserving-update=changed", *workers)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(["recorded goldens/many.json: 1 changed"])
        recorded = {case.key: case.answer["outputs"] for case in read_cases(file)}
        assert recorded["c04"]["y"]["values"] == [4.0]
        assert recorded["c03"]["y"]["values"] == [3.5]
        assert recorded["c05"] == {"y": [4.5]}, "as it was"
        repository.run_here(*workers).assert_outcomes(passed=2)

    def test_a_set_that_holds_as_a_whole_is_left_alone(self, repository):
        file = cases(repository, wrong=(3,))
        before = file.read_bytes()
        one_test(repository, '"goldens", overall={"y": {"differing": 0.05}}')
        repository.run_here("--tfserving-update=changed").assert_outcomes(passed=2)
        assert file.read_bytes() == before

    def test_a_set_that_does_not_hold_is_recorded_where_it_differs(self, repository):
        file = cases(repository, wrong=(3, 5))
        one_test(repository, '"goldens", overall={"y": {"differing": 0.05}}')
        repository.run_here("--tfserving-update=new").assert_outcomes(failed=2)
        repository.run_here("--tfserving-update=changed").assert_outcomes(passed=2)
        recorded = {case.key: case.answer["outputs"]["y"] for case in read_cases(file)}
        assert [key for key, y in recorded.items() if isinstance(y, dict)] == ["c03", "c05"]
        repository.run_here().assert_outcomes(passed=2)

    def test_an_answer_whose_sizes_do_not_fit_is_not(self, repository):
        """Of a case by itself neither is it."""
        file = cases(repository, wrong=(3, 5))
        before = file.read_bytes()
        repository.test_file(
            "@pytest.mark.tfserving_signature(inputs={'x': 'float32[2]'}, outputs={'y': 'float32[2]'})\n"
            "@pytest.mark.tfserving_golden('goldens', overall={'y': {'differing': 0.05}})\n"
            "def test_set(): ...\n"
        )
        result = repository.run_here("--tfserving-update=changed")
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.fnmatch_lines(["*sizes do not fit the signature*"])
        assert file.read_bytes() == before

    def test_a_set_without_answers_is_recorded(self, repository):
        repository.golden("many", {"cases": {f"c{n}": {"inputs": {"x": [float(n)]}} for n in range(3)}})
        one_test(repository, '"goldens", overall={"y": {"differing": 0.05}}')
        repository.run_here("--tfserving-update=new").assert_outcomes(passed=2)
        repository.run_here().assert_outcomes(passed=2)


@pytest.fixture
def log(repository):
    """Writes goldens/requests.tfrecord, with right answers but of the last."""

    def write(count):
        file = repository.path / "goldens" / "requests.tfrecord"
        file.parent.mkdir(exist_ok=True)
        x = np.arange(count, dtype="f4")
        y = x / 2 + 2
        y[-1] += 1
        with file.open("wb") as stream:
            write_log(
                stream, [("m", "serving_default", {"x": x[n : n + 1]}, {"y": y[n : n + 1]}) for n in range(count)]
            )
        return file

    return write


def test_a_log_of_many_requests(repository, log):
    log(3000)
    one_test(repository, '"goldens/requests", together=True')
    result = repository.run("-n", "2", "-v")
    result.assert_outcomes(failed=2)
    for transport in ("rest", "grpc"):
        result.stdout.fnmatch_lines(
            [
                f"goldens goldens/requests, sent to half_plus_two over {transport}: 1 of 3,000 cases fail",
                "goldens/requests.tfrecord [[]003000[]] *",
            ]
        )
    one_test(repository, '"goldens/requests", overall={"y": {"differing": 0.001}}')
    repository.run("-n", "2").assert_outcomes(passed=2)


def test_progress_of_a_set_that_takes_long(repository, log):
    """400 requests of 20 ms each, four at a time: whatever the machine, that is more than a second."""
    cases(repository, count=400)
    one_test(repository)
    slow = "import time\nfrom pytest_tfserving.clients.grpc import GrpcClient\nask = GrpcClient.predict\n"
    slow += (
        "def late(*args, **kwargs):\n    time.sleep(0.02)\n    return ask(*args, **kwargs)\nGrpcClient.predict = late\n"
    )
    (repository.path / "conftest.py").write_text(slow)
    result = repository.run("--tfserving-transport=grpc")
    result.assert_outcomes(passed=1)
    result.stderr.re_match_lines([r"tfserving: goldens over grpc: \d+ of 400"])
    result = repository.run("--tfserving-transport=grpc", "-q")
    assert "goldens over grpc" not in result.stderr.str()


def test_a_server_that_dies_in_the_middle_is_said_once(repository, log):
    log(3000)
    repository.test_file(
        "import os, signal, psutil\n"
        "@pytest.mark.tfserving_golden('goldens/requests', together=True)\n"
        "def test_set(): ...\n"
    )
    (repository.path / "conftest.py").write_text(
        "import os, signal, psutil\n"
        "from pytest_tfserving.golden import check\n"
        "ask, asked = check.ask, []\n"
        "def count(*args):\n"
        "    asked.append(1)\n"
        "    if len(asked) == 1000:\n"
        "        for p in psutil.Process().children(recursive=True):\n"
        "            if 'pytest_tfserving.server' in p.cmdline():\n"
        "                p.kill()\n"
        "    return ask(*args)\n"
        "check.ask = count\n"
    )
    result = repository.run("--tfserving-transport=rest")
    result.assert_outcomes(failed=1)
    text = result.stdout.str()
    [last] = re.findall(r"over rest: no more answers at case ([\d,]+) of 3,000", text)
    assert 900 < int(last.replace(",", "")) <= 1100
    assert text.count("UNAVAILABLE") == 1
    result.stdout.fnmatch_lines(["*tfserving server*", "*ended*"])


def test_ctrl_c_ends_at_once(repository, log, start_pytest):
    log(3000)
    one_test(repository, '"goldens/requests", together=True')
    (repository.path / "conftest.py").write_text(
        "import time\n"
        "from pytest_tfserving.golden import check\n"
        "def never(*args):\n"
        "    print('asked', flush=True)\n"
        "    time.sleep(60)\n"
        "check.ask = never\n"
    )
    process = start_pytest("--tfserving-backend=embedded", "-s")
    assert any("asked" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=30) == pytest.ExitCode.INTERRUPTED
    process.stdout.close()
