"""Which export a request means, found whole: read once for as long as nobody writes it anew."""

import shutil
from pathlib import Path

import pytest

from pytest_tfserving.errors import ExportError
from pytest_tfserving.exports import Exports
from pytest_tfserving.options import Settings
from pytest_tfserving.serve_request import ModelRequest

EXPORT = Path(__file__).parents[2] / "example_models" / "half_plus_two" / "exports" / "half_plus_two"


@pytest.fixture
def export(tmp_path):
    return shutil.copytree(EXPORT, tmp_path / "half_plus_two")


def checked(exports, path, tags=("serve",)):
    return exports.check(ModelRequest(path), tags, may_be_absent=False)


class TestReading:
    @pytest.fixture
    def exports(self):
        return Exports(Settings.resolve(lambda option: None, lambda option: None))

    def test_a_graph_is_read_once(self, exports, export):
        first = checked(exports, export)
        assert checked(exports, export).schema is first.schema

    def test_each_set_of_tags_is_a_graph_of_its_own(self, exports, export):
        checked(exports, export)
        with pytest.raises(ExportError, match="gpu"):
            checked(exports, export, tags=("serve", "gpu"))

    def test_one_that_is_written_anew_is_read_anew(self, exports, export):
        first = checked(exports, export)
        graph = next(export.glob("*/saved_model.pb"))
        graph.write_bytes(graph.read_bytes()[:100])
        with pytest.raises(ExportError, match="does not parse"):
            checked(exports, export)
        shutil.rmtree(export)
        shutil.copytree(EXPORT, export)
        again = checked(exports, export)
        assert again.schema is not first.schema
        assert again.spec.stamp != first.spec.stamp

    def test_one_that_could_not_be_read_is_read_when_it_can_be(self, exports, export):
        graph = next(export.glob("*/saved_model.pb"))
        whole = graph.read_bytes()
        graph.write_bytes(b"")
        with pytest.raises(ExportError):
            checked(exports, export)
        graph.write_bytes(whole)
        assert "serving_default" in checked(exports, export).schema.signatures
