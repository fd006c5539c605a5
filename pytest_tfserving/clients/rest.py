"""A client of TensorFlow Serving's REST API (tensorflow_serving/g3doc/api_rest.md)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Lock, local
from typing import Any
from urllib.parse import quote

import requests
from google.protobuf import json_format
from requests.adapters import HTTPAdapter

from pytest_tfserving.clients.answers import Classes, Features, VersionStatus, fit_inputs, plain_values
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import BackendError, Code, RequestError
from pytest_tfserving.savedmodel import schema_of
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema, Signature
from pytest_tfserving.tensors import Array, base64_object, from_json, rows_to_columns, to_json
from pytest_tfserving.wire import serving_pb2 as serving

__tracebackhide__ = True  # a failing test's report ends at the test's own line

# Kept for as many threads; one more makes a connection of its own and does not wait.
_MOST_CONNECTIONS = 16

# The inverse of ToHTTPStatusCode (tensorflow_serving/model_servers/http_server.cc), to the first code of each status.
_CODE_OF_STATUS = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    404: Code.NOT_FOUND,
    409: Code.ABORTED,
    429: Code.RESOURCE_EXHAUSTED,
    499: Code.CANCELLED,
    500: Code.INTERNAL,
    501: Code.UNIMPLEMENTED,
    503: Code.UNAVAILABLE,
    504: Code.DEADLINE_EXCEEDED,
}


class RestClient:
    """Calls one model of a server over REST. Connections are kept and reused; every call has the timeout (seconds).

    `has_asked` says whether the model may have been run through it: anything but a GET was sent.

    Several threads may call at once: each has a session of its own (requests' are not made for several), and all take
    their connections from the same pool.
    """

    transport = "rest"

    def __init__(self, endpoint: Endpoint, servable: Servable, timeout: float) -> None:
        if endpoint.rest_url is None:
            raise BackendError(f"no REST address is known for {servable.name}; give one with --tfserving-rest-url")
        self.base_url = endpoint.rest_url
        self.servable = servable
        self.has_asked = False
        self._timeout = timeout
        self._trusts_env = not endpoint.is_local  # a proxy of the environment is not for this machine
        self._connections = HTTPAdapter(pool_maxsize=_MOST_CONNECTIONS)
        self._of_thread = local()
        self._schema: ModelSchema | None = None
        self._asking_schema = Lock()
        model = f"/v1/models/{quote(servable.name, safe='')}"
        if servable.version is not None:
            model += f"/versions/{servable.version}"
        elif servable.label is not None:
            model += f"/labels/{quote(servable.label, safe='')}"
        self._model_path = model

    def predict(
        self,
        *,
        inputs: Mapping[str, object] | None = None,
        instances: Sequence[Any] | None = None,
        signature_name: str = DEFAULT_SIGNATURE,
        fit: bool = True,
    ) -> dict[str, Array]:
        """The outputs by name, with the signature's dtypes.

        Either `inputs`, arrays or lists by input name, sent in the columnar format; or `instances`, one value or
        object an example as in a JSON body, sent in the row format, whose outputs must share the first dimension.
        `inputs` take the signature's dtypes, unless `fit` is False: then they are sent as they are, JSON values
        unchanged. Raises RequestError for an answer that is not OK, TensorError for a value that does not fit the
        dtype or that JSON cannot carry.
        """
        body = self._predict_body(inputs, instances, signature_name, fit=fit)
        signature = self.schema.signatures.get(signature_name)
        answer = self._call("POST", f"{self._model_path}:predict", body, signature_name)
        if signature is None:
            raise RequestError(
                Code.INTERNAL,
                "answered a signature that the server's metadata does not list",
                transport=self.transport,
                model=str(self.servable),
                signature=signature_name,
            )
        return read_outputs(answer, signature)

    def classify(
        self, examples: Sequence[Features], *, signature_name: str = DEFAULT_SIGNATURE, context: Features | None = None
    ) -> Classes:
        """For each example its classes as (label, score), from a signature with method classify."""
        results: Classes = self._infer("classify", examples, signature_name, context)
        return [[(label, float(score)) for label, score in classes] for classes in results]

    def regress(
        self, examples: Sequence[Features], *, signature_name: str = DEFAULT_SIGNATURE, context: Features | None = None
    ) -> list[float]:
        """For each example its value, from a signature with method regress."""
        return [float(value) for value in self._infer("regress", examples, signature_name, context)]

    def metadata(self) -> ModelSchema:
        """The signatures as the server lists them."""
        answer = self._metadata()
        signatures = json_format.ParseDict(
            answer["metadata"]["signature_def"], serving.SignatureDefMap(), ignore_unknown_fields=True
        )
        return schema_of(signatures.signature_def)

    def status(self) -> list[VersionStatus]:
        """The state of the version asked for, or of every version that the server knows, newest first."""
        answer = self._call("GET", self._model_path, None, None)
        return [
            VersionStatus(
                int(entry["version"]),
                entry["state"],
                Code[entry["status"].get("error_code", "OK")],
                entry["status"].get("error_message", ""),
            )
            for entry in answer["model_version_status"]
        ]

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """Any request to the server, as requests makes it; `path` begins with a slash. Answers are not judged.

        Raises RequestError only where the server gives no answer at all.
        """
        options.setdefault("timeout", self._timeout)
        return self._send(method, path, None, **options)

    def close(self) -> None:
        """Closes the connections."""
        self._connections.close()

    @property
    def schema(self) -> ModelSchema:
        """The signatures as the server listed them when it was first asked."""
        if self._schema is None:
            with self._asking_schema:
                self._schema = self._schema or self.metadata()
        return self._schema

    @property
    def _session(self) -> requests.Session:
        session: requests.Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = requests.Session()
            session.trust_env = self._trusts_env
            session.mount("http://", self._connections)
            session.mount("https://", self._connections)
        return session

    def _metadata(self) -> dict[str, Any]:
        return self._call("GET", f"{self._model_path}/metadata", None, None)

    def _answering_version(self) -> int:
        """The version that a label stands for: status knows no labels (get_model_status_impl.cc), metadata does."""
        return int(self._metadata()["model_spec"]["version"])

    def _infer(
        self, verb: str, examples: Sequence[Features], signature_name: str, context: Features | None
    ) -> list[Any]:
        body: dict[str, Any] = {"signature_name": signature_name, "examples": [_features(e) for e in examples]}
        if context is not None:
            body["context"] = _features(context)
        path = f"{self._model_path}:{verb}"
        results: list[Any] = self._call("POST", path, _body(body), signature_name)["results"]
        return results

    def _predict_body(
        self,
        inputs: Mapping[str, object] | None,
        instances: Sequence[Any] | None,
        signature_name: str,
        *,
        fit: bool = True,
    ) -> bytes:
        """The body that predict() sends. Raises TensorError."""
        if (inputs is None) == (instances is None):
            raise TypeError("predict() takes either inputs= or instances=")
        body: dict[str, Any] = {"signature_name": signature_name}
        if inputs is not None and not fit:
            body["inputs"] = inputs
        elif inputs is not None:
            signature = self.schema.signatures.get(signature_name)
            body["inputs"] = {name: to_json(array) for name, array in fit_inputs(inputs, signature).items()}
        else:
            body["instances"] = instances
        return _body(body)

    def _refusal(self, status: int, reason: str, content: bytes, signature_name: str | None) -> RequestError:
        """An answer that is not OK, as the error that this client raises."""
        answer = _json_object(content)
        text = content[:200].decode("utf-8", "surrogateescape")
        return RequestError(
            _CODE_OF_STATUS.get(status, Code.UNKNOWN),
            answer.get("error") or f"{reason}: no answer of TensorFlow Serving's: {text!r}",
            transport=self.transport,
            model=str(self.servable),
            signature=signature_name,
            http_status=status,
        )

    def _no_answer(self, signature_name: str | None, cause: BaseException | None = None) -> RequestError:
        """The error that this client raises where a connection broke (`cause`), or nothing came in time (None)."""
        if cause is None:
            code, message = (
                Code.DEADLINE_EXCEEDED,
                f"no answer within {self._timeout:g} s (--tfserving-request-timeout)",
            )
        else:
            code, message = Code.UNAVAILABLE, f"{self.base_url} does not answer: {_cause(cause)}"
        return RequestError(code, message, transport=self.transport, model=str(self.servable), signature=signature_name)

    def _call(self, method: str, path: str, body: bytes | None, signature_name: str | None) -> dict[str, Any]:
        """The answer's JSON object. A string of bytes that are no UTF-8 survives as surrogates."""
        response = self._send(method, path, signature_name, data=body, timeout=self._timeout)
        answer = _json_object(response.content)
        if response.status_code != 200 or not answer:
            raise self._refusal(response.status_code, response.reason, response.content, signature_name)
        return answer

    def _send(self, method: str, path: str, signature_name: str | None, **options: Any) -> requests.Response:
        self.has_asked |= method != "GET"
        try:
            return self._session.request(method, self.base_url + path, **options)
        except requests.Timeout:
            raise self._no_answer(signature_name) from None
        except requests.ConnectionError as error:
            raise self._no_answer(signature_name, error) from None


def read_outputs(answer: Mapping[str, Any], signature: Signature) -> dict[str, Array]:
    """The outputs of a predict answer's JSON: `predictions` in row format, `outputs` in columnar format.

    A lone output is not named in either (json_tensor.cc, MakeJsonFromTensors), and JSON loses the inner sizes of a
    tensor without values; the signature supplies both. Raises TensorError where values and dtype disagree.
    """
    names = list(signature.outputs)
    if "predictions" in answer:
        columns = rows_to_columns(answer["predictions"], names)
    else:
        columns = answer["outputs"] if len(names) != 1 else {names[0]: answer["outputs"]}
    return {name: _read_tensor(columns[name], signature, name) for name in columns}


def _read_tensor(values: Any, signature: Signature, name: str) -> Array:
    spec = signature.outputs[name]
    array = from_json(values, spec.dtype, name=name)
    if array.size == 0 and spec.shape is not None and array.ndim < len(spec.shape):
        inner = [size if isinstance(size, int) else 0 for size in spec.shape[array.ndim :]]
        array = array.reshape(*array.shape, *inner)
    return array


def _body(request: Mapping[str, Any]) -> bytes:
    """A request as JSON: arrays become lists, bytes become base64 objects."""
    return json.dumps(request, default=_plain).encode()


def _plain(value: Any) -> Any:
    """What json has no form for, in one that it has."""
    if isinstance(value, bytes):
        return base64_object(value)
    if hasattr(value, "dtype"):  # an array or a scalar of numpy's
        return to_json(value) if value.dtype.kind not in "OSU" else value.tolist()
    raise TypeError(f"{type(value).__name__} {value!r:.60} cannot be sent as JSON")


def _json_object(content: bytes) -> dict[str, Any]:
    """The JSON object of an answer's body; an empty one where it has none."""
    try:
        answer = json.loads(content.decode("utf-8", "surrogateescape"), strict=False)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _features(features: Features) -> dict[str, Any]:
    return {name: plain_values(name, value) for name, value in features.items()}


def _cause(error: BaseException) -> str:
    """The words of the operating system's error that requests and urllib3 have wrapped."""
    while error.__context__ is not None:
        error = error.__context__
    return str(getattr(error, "strerror", None) or error)
