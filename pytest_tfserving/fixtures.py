"""The fixtures, and the factory behind them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_tfserving.errors import SpecError, TFServingError
from pytest_tfserving.report.results import CheckResult
from pytest_tfserving.session import Session

if TYPE_CHECKING:
    from pytest_tfserving.clients.grpc import GrpcClient
    from pytest_tfserving.clients.rest import RestClient
    from pytest_tfserving.serve_request import ServeRequest
    from pytest_tfserving.served import Served

__tracebackhide__ = True  # a failing test's report ends at the test's own line

SESSION = pytest.StashKey[Session]()
# What became of the checks of a test, in order; its report takes them along.
RESULTS = pytest.StashKey[list[CheckResult]]()


@pytest.fixture(name="tfserving")
def tfserving_fixture(request: pytest.FixtureRequest) -> Served:
    """The served model that the test's `tfserving` marker names: .name .version .signatures .rest .grpc .logs()"""
    session = request.config.stash[SESSION]
    with _plainly():
        [served] = session.serving.serve(requested(request.node, session)).values()
        return served
    raise AssertionError("unreachable: _plainly() ends the test")


def requested(node: pytest.Item, session: Session) -> ServeRequest:
    """The model that a test is about: the one that its nearest `tfserving` marker names. Raises SpecError."""
    from pytest_tfserving.markers import build_request, serve_request

    mark = node.get_closest_marker("tfserving")
    if mark is not None:
        return serve_request(mark, node.path.parent)
    if session.settings.candidates:
        # No marker names the model: the first one given is the one under test.
        [(name, path), *_] = session.settings.candidates
        return build_request({name: path}, Path.cwd(), {}, "--tfserving-model")
    raise SpecError(
        "which model? Mark the test, its class or its module: "
        '@pytest.mark.tfserving("exports/my_model"), or give --tfserving-model PATH'
    )


@pytest.fixture
def tfserving_rest(tfserving: Served) -> RestClient:
    """The REST client of the served model: .predict() .classify() .regress() .metadata() .status() .request()"""
    with _plainly():
        return tfserving.rest
    raise AssertionError("unreachable: _plainly() ends the test")


@pytest.fixture
def tfserving_grpc(tfserving: Served) -> GrpcClient:
    """The gRPC client: .predict() .classify() .regress() .multi_inference() .metadata() .status() .channel .stub()"""
    with _plainly():
        return tfserving.grpc
    raise AssertionError("unreachable: _plainly() ends the test")


@pytest.fixture(scope="session")
def tfserving_server(request: pytest.FixtureRequest) -> ServerFactory:
    """A factory of served models: tfserving_server("exports/a"), tfserving_server(models={"a": "exports/a", ...})"""
    return ServerFactory(request.config.stash[SESSION], request.config.rootpath)


@pytest.fixture
def tfserving_golden(request: pytest.FixtureRequest) -> GoldenChecker:
    """Goldens for values that the test's body computes: .check(outputs, "goldens/name", rtol=1e-5)"""
    return GoldenChecker(request)


class ServerFactory:
    """Serves models; the same call gives the same server, which lives until the run ends."""

    def __init__(self, session: Session, root: Path) -> None:
        self._session = session
        self._root = root

    def __call__(
        self,
        path: str | Path | None = None,
        *,
        models: Mapping[str, str | Path | Mapping[str, Any]] | None = None,
        name: str | None = None,
        version: int | None = None,
        label: str | None = None,
        labels: Mapping[str, int] | None = None,
        tags: Sequence[str] = ("serve",),
        server_args: Sequence[str] = (),
        isolated: bool = False,
    ) -> Any:
        """The served model of an export; or, of several on one server (`models`, name -> path), a dict by name.

        Relative paths start at pytest's root directory. In `models` a mapping with a `path` may stand for a path, with
        the keywords `version`, `label` and `labels` of that model. Raises SpecError, ExportError, BackendError or
        StartupError.
        """
        from pytest_tfserving.markers import build_request

        if (path is None) == (models is None):
            raise SpecError("tfserving_server takes either a path or models={name: path}")
        shared: dict[str, object] = {"tags": tuple(tags), "server_args": tuple(server_args), "isolated": isolated}
        if models is not None:
            if name or version is not None or label or labels:
                raise SpecError("tfserving_server: with models= give version, label and labels in each model's mapping")
            return self._session.serving.serve(
                build_request(dict(models.items()), self._root, shared, "tfserving_server")
            )
        shared |= {"name": name, "version": version, "label": label, "labels": labels or {}}
        request = build_request({None: path}, self._root, shared, "tfserving_server")
        [served] = self._session.serving.serve(request).values()
        return served


class GoldenChecker:
    """Compares values of a test's body with goldens beside the test file."""

    def __init__(self, request: pytest.FixtureRequest) -> None:
        self._request = request

    def check(
        self,
        outputs: Mapping[str, object],
        name: str,
        *,
        rtol: float | None = None,
        atol: float | None = None,
        equal_nan: bool = False,
        rules: Mapping[str, Mapping[str, object]] | None = None,
    ) -> None:
        """Fails the test where `outputs`, arrays by name, differ from the golden `name`.json (relative to the file).

        `rules` has, by name, what is asked of single outputs, such as {"scores": {"cosine": 0.999}}. With
        --tfserving-update the outputs are recorded there. Raises GoldenError where there is no golden yet.
        """
        __tracebackhide__ = True
        from pytest_tfserving.assertions.recorded import check_recorded
        from pytest_tfserving.markers import tolerance_of

        session = self._request.config.stash[SESSION]
        file = self._request.path.parent / (name if name.endswith(".json") else f"{name}.json")
        session.uses.bodies.add(str(file))
        given = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "outputs": rules}
        tolerance = tolerance_of("tfserving_golden.check", given, self._request.path.parent)
        served = self._request.node.funcargs.get("tfserving")
        results = self._request.node.stash.setdefault(RESULTS, [])
        failure = check_recorded(session, served, dict(outputs), file, tolerance, self._request.node.nodeid, results)
        if failure:
            pytest.fail(failure, pytrace=False)


@contextmanager
def _plainly() -> Iterator[None]:
    """An error of ours as its message alone: where it was raised in the plugin tells a user nothing."""
    __tracebackhide__ = True
    try:
        yield
    except TFServingError as error:
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
