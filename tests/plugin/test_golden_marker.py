"""@pytest.mark.tfserving_golden"""

import pytest

TEST = '@pytest.mark.tfserving_golden("goldens", rtol=1e-5)\ndef test_goldens(): ...\n'
GOOD = {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.0, 4.5]}}


def test_one_item_for_each_case_and_transport(repository):
    repository.golden("one", GOOD)
    repository.golden("several", {"cases": {"a": GOOD, "b": GOOD}})
    repository.test_file(TEST)
    result = repository.run_here("-v")
    result.assert_outcomes(passed=6)
    for name in ("one", "several-a", "several-b"):
        for transport in ("rest", "grpc"):
            result.stdout.fnmatch_lines([f"*test_goldens[[]{name}-{transport}[]] PASSED*"])


@pytest.mark.parametrize("transport", ["rest", "grpc"])
def test_transport_chooses_the_items(repository, transport):
    repository.golden("one", GOOD)
    repository.test_file(TEST)
    result = repository.run_here("-v", "--tfserving-transport", transport)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*one-{transport}*"])


@pytest.mark.parametrize("pattern", ["goldens/one.json", "goldens/one", "goldens", "goldens/o*.json", "**/one.json"])
def test_a_file_a_directory_or_a_glob(repository, pattern):
    repository.golden("one", GOOD)
    repository.test_file(TEST.replace('"goldens"', repr(pattern)))
    repository.run_here().assert_outcomes(passed=2)


def test_bodies_of_rest_as_curl_made_them(repository):
    repository.golden("merged", {"instances": [1.0, 2.0, 5.0], "predictions": [2.5, 3.0, 4.5]})
    repository.golden("pair.request", {"instances": [{"x": 0.0}]})
    repository.golden("pair.response", {"predictions": [2.0]})
    repository.test_file(TEST)
    result = repository.run_here("-v")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["*pair-grpc*"])


def test_a_failure_says_how_much_where_and_how_to_record(repository):
    repository.golden("one", {**GOOD, "outputs": {"y": [2.5, 3.5, 4.0]}})
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport", "grpc")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "golden *goldens/one.json differs from what half_plus_two answers over grpc (signature 'serving_default')",
            "*output*differing*worst at*expected*served*max abs error*max rel error",
            "*y*2 of 3*[[]1[]]*3.5*3.0*0.5*0.143",
            "all of y that differ",
            "*[[]1[]]*3.5*3.0*0.5",
            "*[[]2[]]*4.0*4.5*0.5",
            "compared with rtol=1e-05 atol=1e-08 (float32)",
            "would have passed with rtol=0.2 or atol=0.5 (y)",
            "if the new answer is right: pytest --tfserving-update=changed *test_goldens*",
        ]
    )


NEAR = {**GOOD, "outputs": {"y": [2.5, 3.0, 4.625]}}
RULES = {
    "atol": ({"atol": 0.25}, None),
    "cosine": ({"cosine": 0.999}, None),
    "near_cosine": ({"cosine": 0.99999}, "compared with cosine=0.99999 (y)"),
    "psnr": ({"psnr": 20, "peak": 10}, None),
    "argmax": ({"argmax": True}, None),
    "top": ({"top_k": 2}, None),
    "exact": ({"exact": True}, "compared with exact (y)"),
    "ulps": ({"ulps": 2}, "would have passed with ulps=262144 (y)"),
    "differing": ({"differing": 0.4}, None),
    "mean": ({"mean_absolute": 0.05}, None),
    "near_mean": ({"mean_absolute": 0.01}, "would have passed with mean_absolute=0.05 (y)"),
    "first": ({"custom": "comparisons_beside:same_first"}, None),
    "last": ({"custom": "comparisons_beside:same_last"}, "*as a whole*4.625 was 4.5*"),
    "unordered": ({"unordered": True}, "SpecError: unordered says nothing of output 'y', which is float32; use rtol*"),
    "module": ({"custom": "no_such_module_here:f"}, "*there is no module no_such_module_here, neither in *"),
}


def test_an_output_is_compared_by_its_own_rule(repository):
    (repository.path / "comparisons_beside.py").write_text(
        "def same_first(expected, served):\n    return bool(expected[0] == served[0])\n"
        "def same_last(expected, served):\n"
        "    return '' if expected[-1] == served[-1] else f'{expected[-1]} was {served[-1]}'\n"
    )
    repository.golden("one", NEAR)
    repository.test_file(
        "".join(
            f'@pytest.mark.tfserving_golden("goldens", outputs={{"y": {rule}}})\ndef test_{name}(): ...\n'
            for name, (rule, _) in RULES.items()
        )
    )
    result = repository.run_here("--tfserving-transport", "grpc", "-rA")
    for name, (_, says) in RULES.items():
        assert (f"{'FAILED' if says else 'PASSED'} test_model.py::test_{name}[one-grpc]") in result.stdout.str()
        if says:
            result.stdout.fnmatch_lines([says])


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({"y": {"cosin": 1}}, "*tfserving_golden: outputs[[]'y'[]]: unknown key 'cosin'; did you mean 'cosine'?*"),
        ({"z": {"cosine": 1}}, "*outputs[[]'z'[]] is of no output (known: 'y')*"),
    ],
    ids=["key", "output"],
)
def test_a_rule_that_cannot_be_meant_is_explained(repository, outputs, message):
    repository.golden("one", GOOD)
    repository.test_file(f'@pytest.mark.tfserving_golden("goldens", outputs={outputs})\ndef test_goldens(): ...\n')
    result = repository.run_here("--tfserving-transport", "grpc")
    assert result.ret != 0
    result.stdout.fnmatch_lines([message])


def test_a_contract_compares_outputs_by_their_own_rules(repository):
    repository.golden("one", NEAR)
    text = '[model]\npath = "exports/half_plus_two"\n[goldens]\npath = "goldens"\noutputs.y = {{ {} }}\n'
    (repository.path / "near.tfserving.toml").write_text(text.format("cosine = 0.999"))
    (repository.path / "far.tfserving.toml").write_text(text.format("cosine = 0.99999"))
    result = repository.run_here("-rA")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*1 of 1 rows*>= 0.99999*0.999*", "compared with cosine=0.99999 (y)"])


def test_values_of_a_tests_body_are_compared_by_rules_too(repository):
    repository.golden("body", {"outputs": {"y": {"dtype": "float32", "shape": [2], "values": [3.0, 4.0]}}})
    repository.test_file(
        "def test_near(tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([3, 4.25], 'f4')}, 'goldens/body', rules={'y': {'cosine': 0.999}})\n"
        "def test_far(tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([4, 3], 'f4')}, 'goldens/body', rules={'y': {'cosine': 0.999}})\n"
        "def test_no_such_output(tfserving_golden):\n"
        "    tfserving_golden.check({'y': np.array([4, 3], 'f4')}, 'goldens/body', rules={'x': {'cosine': 0.999}})\n",
        model=None,
    )
    result = repository.run_here()
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "golden goldens/body.json differs",
            "*y*1 of 1 rows*>= 0.999*0.96*",
            "would have passed with cosine=0.95 (y)",
            "if the new values are right: pytest --tfserving-update=changed 'test_model.py::test_far'",
            "*outputs[[]'x'[]] is of no output (known: 'y')*",
        ]
    )


def test_the_environment_that_made_the_golden_is_compared_with_this_one(repository):
    provenance = {"backend": "embedded", "cpu": "z80", "image": "tensorflow/serving:2.19.0"}
    repository.golden("one", {**NEAR, "provenance": provenance})
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport", "grpc")
    result.stdout.fnmatch_lines(
        [
            "golden *goldens/one.json differs from what half_plus_two answers over grpc (signature 'serving_default')",
            "the golden was made elsewhere; *",
            "*golden*this run",
            "*cpu*z80*",
            "*image*tensorflow/serving:2.19.0*-",
            "*y*1 of 3*",
        ]
    )


def test_verbosity_shows_more_of_what_differs(repository):
    inputs = {"x": [float(n) for n in range(150)]}
    repository.golden("one", {"inputs": inputs, "outputs": {"y": [0.0] * 150}})
    repository.test_file(TEST)
    for flags, shown in ((["-q"], 5), (["-v"], 50), (["-vv"], 150)):
        result = repository.run_here("--tfserving-transport", "grpc", *flags)
        failure = result.stdout.str().partition("short test summary info")[0]  # with -vv pytest says all of it again
        assert sum(line.startswith("  [") for line in failure.splitlines()) == shown
    repository.run_here("--tfserving-transport", "grpc").stdout.fnmatch_lines(
        ["shows more of them: pytest -v 'test_model.py::test_goldens[[]one-grpc[]]'"]
    )


def test_dtype_and_shape_are_exact(repository):
    tensor = {"dtype": "float64", "shape": [3], "values": [2.5, 3.0, 4.5]}
    repository.golden("dtype", {**GOOD, "outputs": {"y": tensor}})
    repository.golden("shape", {**GOOD, "outputs": {"y": [[2.5, 3.0, 4.5]]}})
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport", "grpc")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        ["*float64[[]3[]]*float32[[]3[]]*<- dtype", "*float32[[]1, 3[]]*float32[[]3[]]*<- shape"]
    )


def test_nan_equals_nan_where_asked(repository):
    repository.golden("nan", {"inputs": {"x": ["NaN", "Infinity"]}, "outputs": {"y": ["NaN", "Infinity"]}})
    repository.test_file(TEST + TEST.replace("rtol=1e-5", "equal_nan=True").replace("test_goldens", "test_equal"))
    result = repository.run_here()
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(["*NaN equals NaN only where that is asked for: equal_nan=True*"])


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "*goldens/one.json:1:2: not JSON*"),
        ('{"inputs": {"x": [1]}, "inputs": {}}', "*key 'inputs' stands twice*"),
        ({"inputs": {"x": [1.0]}}, "*has no outputs yet; record them with `pytest --tfserving-update`*"),
        ({"inputs": {"x": [1.0]}, "output": {}}, "*unknown key 'output'*"),
        ({**GOOD, "signature_name": "other"}, "*a golden of signature 'other', which the model does not have*"),
        ({**GOOD, "outputs": {"z": [1.0]}}, "*has output 'z', signature 'serving_default' has 'y'*"),
        ({**GOOD, "inputs": {"z": [1.0]}}, "*has input 'z', signature 'serving_default' has 'x'*"),
        ({**GOOD, "inputs": {"x": ["one"]}}, "*'x': float32 expected, received 'one'*"),
        ({**GOOD, "instances": [1.0]}, "*either `inputs` or `instances`*"),
    ],
    ids=["syntax", "twice", "no outputs", "key", "signature", "outputs", "inputs", "value", "both"],
)
def test_a_golden_that_cannot_be_used_is_explained(repository, document, message):
    repository.golden("one", document)
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport", "rest")
    assert result.parseoutcomes()["failed"] == 1
    result.stdout.fnmatch_lines([message])


def test_a_missing_golden_says_how_to_make_one(repository):
    repository.test_file(TEST)
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*no golden *goldens. Write a request such as*then record its answer with*"])


def test_a_bad_golden_hides_no_other(repository):
    repository.golden("bad", "{")
    repository.golden("good", GOOD)
    repository.test_file(TEST)
    repository.run_here().assert_outcomes(passed=2, failed=1)


def test_a_refused_request_fails_with_the_servers_words(repository):
    repository.golden("one", {"instances": [{"x": 1.0}, 2.0], "predictions": [1.0, 2.0]})
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-transport", "rest")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*INVALID_ARGUMENT over rest, HTTP 400 (model half_plus_two, signature serving_default): Expecting object*"]
    )
