"""Every option: flag, environment variable, ini key; and what it does to a run"""

import socket

import pytest

from pytest_tfserving.options import OPTIONS

TEST = "def test_model(tfserving):\n    print('SERVED', tfserving.name, tfserving.backend)\n"


@pytest.mark.parametrize("source", ["flag", "variable", "ini"])
def test_the_backend_from_each_source(repository, monkeypatch, source):
    repository.test_file(TEST)
    arguments = ["-s"]
    if source == "flag":
        arguments += ["--tfserving-backend=embedded"]
    elif source == "variable":
        monkeypatch.setenv("TFSERVING_BACKEND", "embedded")
    else:
        repository.pytester.makeini("[pytest]\ntfserving_backend = embedded\n")
    result = repository.pytester.runpytest_subprocess(*arguments)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["tfserving: embedded", "*SERVED half_plus_two embedded*"])


def test_help_lists_every_option(pytester):
    text = pytester.runpytest_subprocess("--help").stdout.str()
    assert [o.flag for o in OPTIONS if o.flag not in text] == []
    assert [o.ini for o in OPTIONS if o.ini not in text] == []


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--tfserving-startup-timeout=soon"], {}, "*--tfserving-startup-timeout: 'soon' is no number*"),
        ([], {"TFSERVING_BACKEND": "dcoker"}, "*TFSERVING_BACKEND: 'dcoker' is none of auto, docker, *"),
        (["--tfserving-backend=dcoker"], {}, "*argument --tfserving-backend: invalid choice: 'dcoker'*"),
    ],
)
def test_a_bad_value_names_where_it_stands(repository, monkeypatch, arguments, environment, message):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    repository.test_file(TEST)
    result = repository.pytester.runpytest_subprocess(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_model_points_the_same_tests_at_a_candidate(repository, models):
    repository.test_file(
        "def test_model(tfserving):\n"
        "    assert tfserving.name == 'half_plus_two' and tfserving.export.path.name == 'candidate'\n"
    )
    (repository.path / "candidate").symlink_to(repository.path / "exports" / "half_plus_two")
    repository.run_here("--tfserving-model=candidate").assert_outcomes(passed=1)
    repository.run_here("--tfserving-model=half_plus_two=candidate").assert_outcomes(passed=1)
    repository.run_here("--tfserving-model=half_plus_two=candidate", "--tfserving-model=exports/none").assert_outcomes(
        passed=1
    )


def test_model_without_a_name_is_ambiguous_among_several(repository, models):
    repository.test_file(
        f"def test_one(tfserving): ...\n@pytest.mark.tfserving({str(models / 'numbers')!r})\ndef test_two(tfserving): ...\n"
    )
    result = repository.run_here("--tfserving-model=exports/half_plus_two")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["SpecError: --tfserving-model * names no model, and this run has several:*NAME=*"])


def test_model_alone_names_the_model_of_unmarked_tests(repository):
    repository.test_file(TEST, model=None)
    result = repository.run_here("-s", "--tfserving-model=exports/half_plus_two")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*SERVED half_plus_two embedded*"])


def test_server_arg_reaches_the_server(repository):
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-server-arg=--no_such_flag=1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["StartupError: the embedded server ended*", "server log*", "*no_such_flag*"])


@pytest.mark.parametrize("option", ["--tfserving-rest-url=http://{}", "--tfserving-grpc-target={}"])
def test_request_timeout(repository, option):
    repository.test_file(TEST)
    with socket.socket() as silent:  # takes connections, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        result = repository.run_here(option.format(address), "--tfserving-request-timeout=0.5", backend="remote")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["RequestError: DEADLINE_EXCEEDED*no answer within 0.5 s (--tfserving-request-timeout)*"]
    )


@pytest.mark.parametrize(
    ("backend", "arguments", "message"),
    [
        ("remote", [], "BackendError: the remote backend needs an address: --tfserving-rest-url*"),
        ("binary", ["--tfserving-binary=/no/such"], "BackendError: no executable /no/such; give one*"),
        ("remote", ["--tfserving-rest-url=http://127.0.0.1:9"], "RequestError: UNAVAILABLE*does not answer*refused*"),
        ("remote", ["--tfserving-grpc-target=http://127.0.0.1:9"], "SpecError: *is a URL; a target is host:port*"),
    ],
)
def test_a_backend_that_cannot_be_had_is_explained(repository, backend, arguments, message):
    repository.test_file(TEST)
    result = repository.run_here(*arguments, backend=backend)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_auto_says_why_it_passed_the_others_over(repository, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/such.sock")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    repository.test_file(TEST)
    result = repository.run_here(backend="auto")
    result.assert_outcomes(passed=1)
    reasons = (
        "remote: no address given; docker: no engine answers at unix:///no/such.sock; binary: no tensorflow_model_*"
    )
    result.stdout.fnmatch_lines([f"tfserving: embedded ({reasons})", f"served by embedded ({reasons})*"])


def test_a_named_candidate_that_no_test_asks_for_fails_the_run(repository):
    # A gate that misspells the name would test the old export and pass.
    repository.test_file(TEST)
    result = repository.run_here("--tfserving-model=half_plus_tow=exports/half_plus_two")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["--tfserving-model half_plus_tow=...: no test asked for that model, only for half_plus_two"]
    )


def test_a_path_may_hold_an_equals_sign_and_a_space(repository, monkeypatch):
    (repository.path / "of a=b").symlink_to(repository.path / "exports")
    repository.test_file(TEST)
    repository.run_here("--tfserving-model=./of a=b/half_plus_two").assert_outcomes(passed=1)
    monkeypatch.setenv("TFSERVING_MODEL", "'./of a=b/half_plus_two'")
    repository.run_here().assert_outcomes(passed=1)
