"""The same checks as handwritten.py, with the plugin."""

import pytest

pytestmark = pytest.mark.tfserving("../../example_models/half_plus_two/exports/half_plus_two")


@pytest.mark.tfserving_signature(inputs={"x": "float32[batch]"}, outputs={"y": "float32[batch]"})
def test_signature(): ...


@pytest.mark.tfserving_golden("golden.json", rtol=1e-5)
def test_golden(): ...
