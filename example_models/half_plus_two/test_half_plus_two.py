"""What clients of half_plus_two rely on."""

import numpy as np
import pytest

from pytest_tfserving import Code, RequestError

pytestmark = pytest.mark.tfserving("exports/half_plus_two")


@pytest.mark.tfserving_signature("serving_default", inputs={"x": "float32[batch]"}, outputs={"y": "float32[batch]"})
def test_signature(tfserving): ...


@pytest.mark.tfserving_golden("goldens/half_plus_two", rtol=1e-5)
def test_goldens(): ...


def test_rest_and_grpc_agree(tfserving_rest, tfserving_grpc):
    x = np.linspace(-1.0, 1.0, 101, dtype=np.float32)
    np.testing.assert_array_equal(
        tfserving_rest.predict(inputs={"x": x})["y"],
        tfserving_grpc.predict(inputs={"x": x})["y"],
    )


def test_unknown_signature_is_refused(tfserving_rest, tfserving_grpc):
    x = np.float32([1.0])
    with pytest.raises(RequestError, match="nosuch") as over_rest:
        tfserving_rest.predict(inputs={"x": x}, signature_name="nosuch")
    with pytest.raises(RequestError, match="nosuch") as over_grpc:
        tfserving_grpc.predict(inputs={"x": x}, signature_name="nosuch")
    # The server looks the signature up at two places, and they disagree about the code.
    assert over_rest.value.code is Code.INVALID_ARGUMENT
    assert over_grpc.value.code is Code.FAILED_PRECONDITION
