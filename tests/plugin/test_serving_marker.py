"""@pytest.mark.tfserving, and what it refuses before anything is started"""

import shutil

import pytest

TEST = "def test_model(tfserving):\n    print('SERVED', tfserving.name, tfserving.version)\n"


@pytest.mark.parametrize(
    ("path", "served"),
    [
        ("exports/half_plus_two", "half_plus_two 1"),
        ("exports/half_plus_two/1", "half_plus_two 1"),
        ("exports/latest", "latest 1"),
        ("exports/flat", "flat 1"),
        ("exports/several", "several 10"),
    ],
    ids=["base directory", "one version", "link", "unversioned", "newest of several"],
)
def test_paths(repository, path, served):
    exports = repository.path / "exports"
    version = exports / "half_plus_two" / "1"
    (exports / "latest").symlink_to(exports / "half_plus_two")
    shutil.copytree(version, exports / "flat")
    shutil.copytree(version, exports / "several" / "9")
    shutil.copytree(version, exports / "several" / "10")
    repository.test_file(TEST, model=path)
    result = repository.run_here("-s")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"*SERVED {served}*"])


def test_version_name_label_and_labels(repository, models):
    repository.test_file(
        f"path = {str(models / 'versions')!r}\n"
        "def scale(served):\n"
        "    return served.grpc.predict(inputs={'x': [1.0]})['y'].tolist(), "
        "served.rest.predict(inputs={'x': [1.0]})['y'].tolist()\n"
        "@pytest.mark.tfserving(path, version=1)\n"
        "def test_version(tfserving):\n    assert tfserving.version == 1; print('V1', scale(tfserving))\n"
        "@pytest.mark.tfserving(path, name='other')\n"
        "def test_name(tfserving):\n    assert (tfserving.name, tfserving.version) == ('other', 3)\n"
        "@pytest.mark.tfserving(path, label='old', labels={'old': 1, 'new': 2})\n"
        "def test_label(tfserving):\n    assert tfserving.version == 1; print('OLD', scale(tfserving))\n"
        "@pytest.mark.tfserving(path, label='new', labels={'old': 1, 'new': 2})\n"
        "def test_other_label(tfserving):\n    assert tfserving.version == 2\n",
        model=None,
    )
    result = repository.run_here("-s")
    result.assert_outcomes(passed=4)
    lines = [line for line in result.outlines if "V1" in line or "OLD" in line]
    assert lines[0].partition("(")[2] == lines[1].partition("(")[2]


def test_tags(repository, examples):
    path = str(examples / "custom_tag" / "exports" / "custom_tag")
    repository.test_file(
        f"@pytest.mark.tfserving({path!r}, tags=('test_saved_model',))\n{TEST}"
        f"@pytest.mark.tfserving({path!r})\ndef test_default(tfserving): ...\n",
        model=None,
    )
    result = repository.run_here()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "ExportError: no graph with tags {serve} in *; it has {test_saved_model}; name them*tags=('test_saved_model',) *"
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'exports/half_plus_tow'", "ExportError: no such directory: *; did you mean *exports/half_plus_two?"),
        ("'goldens'", "ExportError: no SavedModel in *goldens*did you mean *exports/*?"),
        ("'exports/half_plus_two', version=7", "ExportError: no version 7 of half_plus_two in *; there is 1"),
        ("'exports/half_plus_two', label='x'", "SpecError: label 'x' of half_plus_two: *add labels={'x': 1}"),
        ("'exports/half_plus_two', version=1, label='x'", "SpecError: *exclude each other*"),
        ("'exports/half_plus_two', versoin=1", "SpecError: *unknown keyword 'versoin'; did you mean version=?*"),
        ("'exports/half_plus_two', version='1'", "SpecError: *version='1'; a number*"),
        ("'exports/half_plus_two', tags='serve'", "SpecError: *tags='serve'; a tuple of text*"),
        ("'exports/truncated'", "ExportError: *truncated/1/saved_model.pb (100 bytes) does not parse*"),
        ("'exports/no_variables'", "ExportError: the graph has variables, and *variables.index is missing*"),
        ("'exports/short'", "ExportError: the graph has variables, and *is cut short: * bytes, its index needs *"),
        ("", "SpecError: tfserving: path is missing*"),
    ],
    ids=["missing", "no model", "version", "label", "both", "keyword", "type", "tags", "truncated", "variables", "short",
         "no path"],
)  # fmt: skip
def test_what_cannot_be_served_is_explained_before_anything_starts(repository, arguments, message):
    exports = repository.path / "exports"
    (repository.path / "goldens").mkdir()
    for name in ("truncated", "no_variables", "short"):
        shutil.copytree(exports / "half_plus_two", exports / name)
    saved_model = exports / "truncated" / "1" / "saved_model.pb"
    saved_model.write_bytes(saved_model.read_bytes()[:100])
    shutil.rmtree(exports / "no_variables" / "1" / "variables")
    data = exports / "short" / "1" / "variables" / "variables.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-1])
    repository.test_file(f"@pytest.mark.tfserving({arguments})\n{TEST}", model=None)
    # A backend that cannot start shows that none was asked to.
    result = repository.pytester.runpytest_subprocess("--tfserving-backend=docker", "--tfserving-image=no/such:image")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([message])


def test_without_a_marker_the_error_says_how_to_write_one(repository):
    repository.test_file(TEST, model=None)
    result = repository.run_here()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["SpecError: which model? Mark the test*@pytest.mark.tfserving(*"])


def test_a_marker_of_a_class_or_a_function_wins_over_the_modules(repository, models):
    repository.test_file(
        f"@pytest.mark.tfserving({str(models / 'numbers')!r})\nclass TestNumbers:\n"
        "    def test_class(self, tfserving):\n        assert tfserving.name == 'numbers'\n"
        "def test_module(tfserving):\n    assert tfserving.name == 'half_plus_two'\n"
    )
    repository.run_here().assert_outcomes(passed=2)
