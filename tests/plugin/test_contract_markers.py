"""tfserving_compatible, tfserving_lint, tfserving_properties, tfserving_generated on test functions."""

import json
import shutil

import pytest

TEST = "@pytest.mark.{}\ndef test_it(): ...\n"
GOLDEN = {"inputs": {"x": [1.0, 2.0, 5.0]}, "outputs": {"y": [2.5, 3.0, 4.5]}}


class TestCompatible:
    def test_nothing_is_served_for_it(self, repository):
        repository.test_file(TEST.format('tfserving_compatible("exports/half_plus_two")'))
        result = repository.run_here("--tfserving-server-arg=--no-such-flag")
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["  half_plus_two: 1 baseline"])
        result.stdout.no_fnmatch_line("served by*")

    def test_what_breaks_is_named_with_what_to_do(self, repository, models):
        shutil.copytree(models / "multi_io", repository.path / "baseline")
        repository.test_file(TEST.format('tfserving_compatible("baseline")'))
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "half_plus_two breaks clients of its baseline: *breaking*",
                "breaking: signature-removed at *",
                "baseline: *baseline",
                "fails on breaking findings; to accept one: *",
            ]
        )

    def test_accepted_findings_do_not_fail(self, repository):
        (repository.path / "old.tfserving.toml").write_text(
            '[model]\npath = "exports/half_plus_two"\n[signatures.serving_default]\n'
            'inputs.x = "float32[batch]"\noutputs.y = "float32[batch]"\noutputs.z = "float32[batch]"\n'
        )
        accepted = '[{"rule": "output-removed", "tensor": "z", "reason": "nobody read it"}]'
        severities = '{"rest-output-bare": "off"}'
        mark = f'tfserving_compatible("old.tfserving.toml", accepted={accepted}, severities={severities})'
        repository.test_file(TEST.format(mark))
        repository.run_here("test_model.py").assert_outcomes(passed=1)
        repository.test_file(TEST.format('tfserving_compatible("old.tfserving.toml")'))
        repository.run_here("test_model.py").assert_outcomes(failed=1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ("", "*tfserving_compatible: baseline is missing*"),
            ('"nosuch"', "*no such directory: *nosuch*"),
            ('"exports/half_plus_two", fail_on="braking"', "*braking*breaking*"),
            ('"exports/half_plus_two", severities={"output-renamd": "off"}', "*output-renamed*"),
            ('"exports/half_plus_two", accepted=[{"rule": "output-renamed"}]', "*why is output-renamed accepted*"),
        ],
    )
    def test_what_cannot_be_meant_is_explained(self, repository, arguments, message):
        repository.test_file(TEST.format(f"tfserving_compatible({arguments})"))
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([message])


class TestLint:
    def test_findings_below_the_level_are_warnings(self, repository, examples):
        shutil.copytree(examples / "keras_export" / "exports" / "keras_export", repository.path / "keras")
        repository.test_file(TEST.format("tfserving_lint()"), model="keras")
        result = repository.run_here()
        result.assert_outcomes(passed=1, warnings=2)
        result.stdout.fnmatch_lines(["*ContractWarning: generated-name at keras.serve.outputs.output_0: *"])
        repository.test_file(TEST.format('tfserving_lint(fail_on="risky")'), model="keras")
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["keras will hurt when it is served: *", "risky: generated-name at *"])

    def test_a_damaged_export_is_a_finding(self, repository):
        variables = repository.path / "exports" / "half_plus_two" / "1" / "variables"
        (variables / "variables.index").unlink()
        repository.test_file(TEST.format("tfserving_lint()"))
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["breaking: variables-*"])


class TestProperties:
    def test_they_hold(self, repository):
        repository.golden("values", GOLDEN)
        repository.test_file(
            TEST.format(
                'tfserving_properties(outputs={"y": {"finite": True, "max": 4.5, "increasing_in": "x"}}, '
                'same=["alone", "order", "repeated", "rest-rows", "rest-columns", "grpc", "batching"], '
                'requests="goldens")'
            )
        )
        result = repository.run_here()
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["  half_plus_two: 1 signature's properties"])

    def test_what_is_broken_is_shown_with_the_request(self, repository):
        repository.golden("values", GOLDEN)
        repository.test_file(
            TEST.format(
                'tfserving_properties(outputs={"y": {"max": 4, "decreasing_in": "x", "sums_to": 1}}, '
                'requests=["goldens"])'
            )
        )
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            [
                "signature 'serving_default' of half_plus_two does not keep what is promised (goldens/values.json*",
                "*y * max 4*4.5*",
                "*y is promised to fall with x*",
                'request: {"inputs": {"x": *1.0, 2.0, 5.0*',
            ]
        )

    def test_in_process_is_asked(self, repository):
        repository.golden("values", GOLDEN)
        repository.test_file(TEST.format('tfserving_properties(same=["in-process"], requests="goldens")'))
        repository.run_here().assert_outcomes(passed=1)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ('outputs={"y": {"finite": True}}', "*which requests? Give requests=*"),
            ('outputs={"y": {"finit": True}}, requests="goldens"', "*finit*finite*"),
            ('outputs={"z": {"finite": True}}, requests="goldens"', "*z*y*"),
            ('same=["alon"], requests="goldens"', "*alon*alone*"),
            ('"nosuch", requests="goldens"', "*half_plus_two has no signature 'nosuch'; it has 'serving_default'*"),
            ('requests="nosuch"', "*no golden*nosuch*"),
        ],
    )
    def test_what_cannot_be_meant_is_explained(self, repository, arguments, message):
        repository.golden("values", GOLDEN)
        repository.test_file(TEST.format(f"tfserving_properties({arguments})"))
        result = repository.run_here()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([message])
        assert "Traceback" not in result.stdout.str()


class TestGenerated:
    def test_they_are_answered_as_promised(self, repository):
        repository.test_file(
            '@pytest.mark.tfserving_signature(inputs={"x": "float32[batch<=3]"}, outputs={"y": "float32[batch]"})\n'
            '@pytest.mark.tfserving_properties(inputs={"x": {"min": 0, "max": 10}}, outputs={"y": {"min": 2, "max": 7}})\n'
            + TEST.format("tfserving_generated()")
        )
        result = repository.run_here()
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(["  half_plus_two: 1 signature's generated requests, 1 signature"])

    def test_a_failure_is_small_and_can_be_replayed(self, repository):
        repository.test_file(
            '@pytest.mark.tfserving_properties(inputs={"x": {"min": 0, "max": 1000}}, outputs={"y": {"max": 100}})\n'
            + TEST.format("tfserving_generated(examples=50)")
        )
        first = repository.run_here()
        first.assert_outcomes(failed=1)
        first.stdout.fnmatch_lines(["half_plus_two does not answer a generated request as promised *", "again: *"])
        again = next(line for line in first.outlines if line.startswith("again: "))  # in CI the summary repeats it
        flags = [word for word in again.split() if word.startswith("--tfserving-")]
        assert any(flag.startswith("--tfserving-seed=") for flag in flags)
        second = repository.run_here(*flags)
        second.assert_outcomes(failed=1)

        def shown(result):
            text = result.stdout.str()
            return text[text.index("half_plus_two does not answer") : text.index("again: ")]

        assert shown(first) == shown(second)

    def test_what_it_prints_is_a_golden(self, repository):
        repository.test_file(
            '@pytest.mark.tfserving_properties(outputs={"y": {"max": 100}})\n' + TEST.format("tfserving_generated()")
        )
        lines = repository.run_here().outlines
        begin = next(n for n, line in enumerate(lines) if line.strip().startswith("{"))
        end = next(n for n in range(begin, len(lines)) if not lines[n].strip())
        document = json.loads("\n".join(lines[begin:end]))
        assert document["inputs"]["x"]["dtype"] == "float32"

    def test_the_option_bounds_the_number(self, repository):
        repository.test_file(TEST.format("tfserving_generated(examples=1000)"))
        repository.run_here("--tfserving-max-examples=2").assert_outcomes(passed=1)
        for value in ("0", "some"):
            result = repository.run_here(f"--tfserving-max-examples={value}")
            result.stderr.fnmatch_lines([f"*--tfserving-max-examples: '{value}' is no number of requests*"])

    @pytest.mark.parametrize(
        ("kinds", "outcome"),
        [("['missing', 'extra']", {"passed": 1}), ("['rank']", {"failed": 1}), ("False", {"passed": 1})],
    )
    def test_what_must_be_refused(self, repository, kinds, outcome):
        repository.test_file(TEST.format(f"tfserving_generated(invalid={kinds})"))
        result = repository.run_here("--tfserving-transport=grpc")
        result.assert_outcomes(**outcome)
        if "failed" in outcome:
            result.stdout.fnmatch_lines(["half_plus_two answers a request that should be refused *"])

    def test_without_hypothesis_it_says_what_to_install(self, repository):
        (repository.path / "hypothesis.py").write_text("raise ImportError\n")
        repository.test_file(TEST.format("tfserving_generated()"))
        result = repository.run("-p", "no:hypothesispytest")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*pip install 'pytest-tfserving[[]hypothesis]'*"])
