import gc
import subprocess
import sys

import pytest

from pytest_tfserving.clients.loading import load


@pytest.fixture(params=[True, False], ids=["collector on", "collector off"])
def enabled(request):
    """Whether the collector works; it is afterwards as it was before the test."""
    was_enabled = gc.isenabled()
    (gc.enable if request.param else gc.disable)()
    yield request.param
    (gc.enable if was_enabled else gc.disable)()


class TestTheCollectorIsAfterwardsAsItWas:
    def test_where_the_clients_are_loaded(self, enabled):
        load(["rest", "grpc"])
        assert gc.isenabled() == enabled

    def test_where_one_cannot_be_loaded(self, enabled):
        with pytest.raises(ModuleNotFoundError):
            load(["rest", "no_such_transport"])
        assert gc.isenabled() == enabled


COUNTED = """
import gc, sys
collections = []
gc.callbacks.append(lambda phase, _: collections.append(phase))
from pytest_tfserving.clients.loading import load
collections.clear()
load(["rest", "grpc"])
print(len(collections), *sorted(name for name in ("requests", "grpc", "numpy") if name in sys.modules))
"""


def test_nothing_is_collected_meanwhile():
    done = subprocess.run([sys.executable, "-c", COUNTED], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["0", "grpc", "numpy", "requests"]
