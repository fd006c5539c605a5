"""A path as a person gives it -> the export's versions, or what is wrong and what may have been meant."""

from pathlib import Path

import pytest

from pytest_tfserving.errors import ExportError
from pytest_tfserving.export import Export, find_export, holds_saved_model, name_of_path

MODELS = Path(__file__).parents[1] / "conformance" / "models"


@pytest.fixture
def exports(tmp_path):
    """A directory, and a function that puts SavedModels into it (an empty file is one, as far as paths go)."""

    def put(*paths, file="saved_model.pb"):
        for path in paths:
            (tmp_path / path).mkdir(parents=True, exist_ok=True)
            (tmp_path / path / file).touch()
        return tmp_path

    return put


class TestVersions:
    def test_a_base_directory_has_its_numbered_versions_and_the_highest_is_the_latest(self):
        export = find_export(MODELS / "versions")
        assert export == Export(MODELS / "versions", {n: MODELS / "versions" / str(n) for n in (1, 2, 3)})
        assert export.latest == 3

    def test_versions_are_numbers_not_text(self, exports):
        assert find_export(exports("m/9", "m/10", "m/0") / "m").latest == 10

    def test_a_numbered_directory_given_directly_is_that_version(self):
        assert dict(find_export(MODELS / "versions" / "2").versions) == {2: MODELS / "versions" / "2"}

    def test_an_unversioned_export_is_version_1(self):
        assert dict(find_export(MODELS / "unversioned").versions) == {1: MODELS / "unversioned"}

    def test_a_text_form_counts(self, exports):
        root = exports("m/4", file="saved_model.pbtxt")
        assert find_export(root / "m").latest == 4
        assert holds_saved_model(root / "m" / "4")

    def test_a_saved_model_at_the_path_itself_goes_before_numbered_ones(self, exports):
        root = exports("m", "m/7")
        assert dict(find_export(root / "m").versions) == {1: root / "m"}

    def test_what_is_not_numbered_is_no_version(self, exports):
        root = exports("m/1", "m/backup", "m/2.old", "m/-3")
        (root / "m" / "5").touch()  # a file
        assert list(find_export(root / "m").versions) == [1]

    def test_an_older_version_without_a_saved_model_is_left_out(self, exports):
        root = exports("m/2")
        (root / "m" / "1").mkdir()
        assert list(find_export(root / "m").versions) == [2]

    def test_the_path_is_made_absolute_and_links_keep_their_name(self, exports, monkeypatch):
        root = exports("stored/1")
        (root / "model").symlink_to(root / "stored")
        monkeypatch.chdir(root)
        assert find_export(Path("model")).path == root / "model"
        assert find_export(Path("x/../stored")).path == root / "stored"


class TestErrors:
    def test_the_newest_version_must_hold_a_saved_model(self, exports):
        root = exports("m/1")
        (root / "m" / "2").mkdir()
        with pytest.raises(ExportError) as caught:
            find_export(root / "m")
        assert str(caught.value) == (
            f"no SavedModel in {root}/m/2, the newest version of {root}/m; a server would try to load it and stop. "
            f"Export it again, or remove the directory"
        )

    def test_a_directory_without_any_says_what_was_looked_for(self, tmp_path):
        base = tmp_path / "a" / "b" / "m"  # deep enough that other tests' exports are not near
        (base / "1").mkdir(parents=True)
        (base / "2").mkdir()
        with pytest.raises(ExportError) as caught:
            find_export(base)
        assert str(caught.value) == (
            f"no SavedModel in {base}: neither saved_model.pb nor a numbered directory such as 1/saved_model.pb "
            f"(nothing in 1/, 2/)"
        )

    @pytest.mark.parametrize(
        ("stored", "given", "meant"),
        [
            (["exports/half_plus_two/1"], "exports/half_plus_tow", "exports/half_plus_two"),
            (["exports/half_plus_two/1"], "half_plus_two", "exports/half_plus_two"),
            (["exports/half_plus_two/1"], "exports", "exports/half_plus_two"),
            (["exports/half_plus_two/1"], "exports/half_plus_two/2", "exports/half_plus_two"),
            (["exports/mnist/1", "exports/mnist_old/1"], "exports/mnits", "exports/mnist"),
            (["exports/flat"], "exports/flta", "exports/flat"),
            (["exports/.cache/1", "exports/m/1"], "exports/cache", "exports/m"),
        ],
    )
    def test_the_nearest_export_is_suggested(self, exports, stored, given, meant):
        root = exports(*stored)
        with pytest.raises(ExportError) as caught:
            find_export(root / given)
        assert str(caught.value).endswith(f"; did you mean {root / meant}?")

    def test_a_missing_path_is_named_and_nothing_suggested_where_there_is_nothing(self, tmp_path):
        base = tmp_path / "a" / "b" / "c"
        base.mkdir(parents=True)
        with pytest.raises(ExportError) as caught:
            find_export(base / "m")
        assert str(caught.value) == f"no such directory: {base}/m"

    def test_a_file_is_no_export(self):
        file = MODELS / "counter" / "1" / "saved_model.pb"
        with pytest.raises(ExportError) as caught:
            find_export(file)
        assert str(caught.value) == (
            f"{file} is a file; an export is the directory that holds saved_model.pb; "
            f"did you mean {MODELS / 'counter' / '1'}?"
        )


@pytest.mark.parametrize(
    ("path", "name"),
    [("exports/mnist", "mnist"), ("exports/mnist/3", "mnist"), ("mnist", "mnist"), ("/3", "3"), ("v3", "v3")],
)
def test_a_models_name_is_its_paths_last_part_that_is_no_version(path, name):
    assert name_of_path(Path(path)) == name
