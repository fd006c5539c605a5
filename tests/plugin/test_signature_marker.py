"""@pytest.mark.tfserving_signature"""

import pytest

SIGNATURE = "@pytest.mark.tfserving_signature({})\ndef test_signature(): ...\n"
GOOD = """'serving_default', inputs={"x": "float32[batch]"}, outputs={"y": "float32[batch]"}"""


def test_holds(repository):
    repository.test_file(SIGNATURE.format(GOOD))
    result = repository.run_here()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["tfserving: embedded", "*half_plus_two: 1 signature"])


def test_the_body_runs_after_the_check(repository):
    repository.test_file(
        f"@pytest.mark.tfserving_signature({GOOD})\n"
        "def test_good(tfserving):\n    assert tfserving.version == 1\n    assert False, 'body ran'\n"
        "@pytest.mark.tfserving_signature(inputs={'x': 'int32[?]'})\n"
        "def test_bad():\n    raise SystemExit('body ran although the signature differs')\n"
    )
    result = repository.run_here()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*body ran"])
    result.stdout.no_fnmatch_line("*although*")


def test_a_failure_prints_expected_and_served_side_by_side(repository):
    repository.test_file(
        SIGNATURE.format("""inputs={"x": "int32[batch]", "z": "string[]"}, outputs={"output": "float32[batch, 1]"}""")
    )
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "signature 'serving_default' of half_plus_two is not as expected",
            "*tensor*expected*export*server",
            "  inputs   x       int32[[]batch[]]*float32[[]?[]]*float32[[]?[]]*<- differs",
            "  inputs   z       string[[]]*-*-*<- missing",
            "  outputs  output  float32[[]batch, 1[]]*-*-*<- missing",
            "  outputs  y       -*float32[[]?[]]*float32[[]?[]]*<- not expected",
            "export: *exports/half_plus_two/1",
            "server: http://127.0.0.1:* (embedded)",
        ]
    )


def test_an_unknown_signature_is_answered_with_those_that_there_are(repository):
    repository.test_file(SIGNATURE.format("""'serving_defualt', inputs={"x": "float32[?]"}"""))
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*export has no such signature; it has 'serving_default'. Did you mean*"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("""inputs={"x": "flot32[batch]"}""", "*no such dtype; did you mean float32?*"),
        ("""inputs={"x": "float32[batch"}""", "*',' or ']' comes here*"),
        ("""inputs={"x": 5}""", "*5 is no tensor spec*examples: float32*"),
        ("""input={"x": "float32[?]"}""", "*unknown keyword 'input'; did you mean inputs=?*"),
        ("'serving_default'", "*nothing to check: give inputs=, outputs= or method=*"),
        ("'a', {}, {}, None, 1", "*takes at most 4 arguments*"),
    ],
    ids=["dtype", "bracket", "no text", "keyword", "nothing", "too many"],
)
def test_what_cannot_be_meant_is_explained(repository, arguments, message):
    repository.test_file(SIGNATURE.format(arguments))
    result = repository.run_here()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([message])


def test_pairs_and_unnamed_dimensions_are_accepted(repository):
    repository.test_file(SIGNATURE.format("""inputs={"x": ("float32", [None])}, outputs={"y": "float[?]"}"""))
    repository.run_here().assert_outcomes(passed=1)


def test_a_named_dimension_holds_in_every_golden_of_the_test(repository, models):
    repository.golden("grow", {"signature_name": "grow", "inputs": {"x": [1.0, 2.0]}})
    repository.test_file(
        '@pytest.mark.tfserving_signature("grow", inputs={"x": "float32[n]"}, outputs={"y": "float32[n]"})\n'
        '@pytest.mark.tfserving_golden("goldens")\ndef test_grow(): ...\n',
        model=str(models / "shapes"),
    )
    result = repository.run_here("--tfserving-update")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*sizes do not fit the signature", "n is 2 in input x and * in output y, float32*"])
