"""A client of TensorFlow Serving's gRPC services (tensorflow_serving/apis/{prediction,model}_service.proto)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any, TypeVar

import grpc
from google.protobuf.message import Message

from pytest_tfserving.clients.answers import Classes, Features, VersionStatus, example_proto, fit_inputs
from pytest_tfserving.endpoint import Endpoint, Servable
from pytest_tfserving.errors import BackendError, Code, RequestError
from pytest_tfserving.savedmodel import schema_of
from pytest_tfserving.schema import DEFAULT_SIGNATURE, ModelSchema
from pytest_tfserving.tensors import Array, from_proto, to_proto
from pytest_tfserving.wire import serving_pb2 as serving

__tracebackhide__ = True  # a failing test's report ends at the test's own line

_PREDICTION, _MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
PREDICT = f"/{_PREDICTION}/Predict"
_RUN_NO_MODEL = ("GetModelStatus", "GetModelMetadata")

_Answer = TypeVar("_Answer", bound=Message)


class GrpcClient:
    """Calls one model of a server over gRPC. One channel is kept; every call has the timeout (seconds).

    `has_asked` says whether the model may have been run through it: anything but its state or metadata was asked for.

    Several threads may call at once, and share the channel.
    """

    transport = "grpc"

    def __init__(self, endpoint: Endpoint, servable: Servable, timeout: float) -> None:
        if endpoint.grpc_target is None:
            raise BackendError(f"no gRPC address is known for {servable.name}; give one with --tfserving-grpc-target")
        self.target = endpoint.grpc_target
        self.servable = servable
        self.has_asked = False
        self._timeout = timeout
        options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
        if endpoint.is_local:
            options.append(("grpc.enable_http_proxy", 0))  # a proxy of the environment is not for this machine
        self.channel = grpc.insecure_channel(self.target, options=options)
        self._calls: dict[str, Any] = {}
        self._schema: ModelSchema | None = None
        self._asking_schema = Lock()

    def predict(
        self,
        *,
        inputs: Mapping[str, object],
        signature_name: str = DEFAULT_SIGNATURE,
        output_filter: Sequence[str] = (),
        fit: bool = True,
    ) -> dict[str, Array]:
        """The outputs by name, with the signature's dtypes; all of them, or those in `output_filter`.

        `inputs` are arrays or lists by input name; they take the signature's dtypes, unless `fit` is False: then
        arrays are sent as they are, and lists as numpy reads them. Raises RequestError for an answer that is not OK,
        TensorError for a value that does not fit the dtype.
        """
        request = self._predict_request(inputs, signature_name, output_filter, fit=fit)
        answer = self._call(_PREDICTION, "Predict", request, serving.PredictResponse, signature_name)
        return {name: from_proto(answer.outputs[name]) for name in sorted(answer.outputs)}

    def classify(
        self, examples: Sequence[Features], *, signature_name: str = DEFAULT_SIGNATURE, context: Features | None = None
    ) -> Classes:
        """For each example its classes as (label, score), from a signature with method classify."""
        request = serving.ClassificationRequest(
            model_spec=self._spec(signature_name), input=_example_input(examples, context)
        )
        answer = self._call(_PREDICTION, "Classify", request, serving.ClassificationResponse, signature_name)
        return _classes(answer.result)

    def regress(
        self, examples: Sequence[Features], *, signature_name: str = DEFAULT_SIGNATURE, context: Features | None = None
    ) -> list[float]:
        """For each example its value, from a signature with method regress."""
        request = serving.RegressionRequest(
            model_spec=self._spec(signature_name), input=_example_input(examples, context)
        )
        answer = self._call(_PREDICTION, "Regress", request, serving.RegressionResponse, signature_name)
        return [regression.value for regression in answer.result.regressions]

    def multi_inference(
        self,
        examples: Sequence[Features],
        tasks: Mapping[str, str],
        *,
        context: Features | None = None,
    ) -> dict[str, Classes | list[float]]:
        """Several signatures on the same examples in one run: signature -> "classify" or "regress" in `tasks`."""
        request = serving.MultiInferenceRequest(input=_example_input(examples, context))
        for signature_name, method in tasks.items():
            request.tasks.add(model_spec=self._spec(signature_name), method_name=f"tensorflow/serving/{method}")
        answer = self._call(_PREDICTION, "MultiInference", request, serving.MultiInferenceResponse, ", ".join(tasks))
        results: dict[str, Classes | list[float]] = {}
        for result in answer.results:
            if result.HasField("classification_result"):
                results[result.model_spec.signature_name] = _classes(result.classification_result)
            else:
                values = [regression.value for regression in result.regression_result.regressions]
                results[result.model_spec.signature_name] = values
        return results

    def metadata(self) -> ModelSchema:
        """The signatures as the server lists them."""
        signatures = serving.SignatureDefMap.FromString(self._metadata().metadata["signature_def"].value)
        return schema_of(signatures.signature_def)

    def status(self) -> list[VersionStatus]:
        """The state of the version asked for, or of every version that the server knows, newest first."""
        request = serving.GetModelStatusRequest(model_spec=self._spec(None))
        answer = self._call(_MODEL, "GetModelStatus", request, serving.GetModelStatusResponse, None)
        return [
            VersionStatus(
                entry.version,
                serving.ModelVersionStatus.State.Name(entry.state),
                Code(entry.status.error_code),
                entry.status.error_message,
            )
            for entry in answer.model_version_status
        ]

    def reload_config(self, config: bytes) -> None:
        """Gives the server a new list of models: a serialized tensorflow.serving.ModelServerConfig.

        It replaces the whole list. A server that other tests share is theirs too; a remote one is never changed
        unless a test does it here.
        """
        request = serving.ReloadConfigRequest(config=serving.ModelServerConfig.FromString(config))
        self._call(_MODEL, "HandleReloadConfigRequest", request, serving.ReloadConfigResponse, None)

    def stub(self) -> Any:
        """The official PredictionServiceStub on this channel. Imports tensorflow_serving, so TensorFlow: seconds."""
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        self.has_asked = True
        return prediction_service_pb2_grpc.PredictionServiceStub(self.channel)

    def close(self) -> None:
        """Closes the channel."""
        self.channel.close()

    @property
    def schema(self) -> ModelSchema:
        """The signatures as the server listed them when it was first asked."""
        if self._schema is None:
            with self._asking_schema:
                self._schema = self._schema or self.metadata()
        return self._schema

    def _metadata(self) -> serving.GetModelMetadataResponse:
        request = serving.GetModelMetadataRequest(model_spec=self._spec(None), metadata_field=["signature_def"])
        return self._call(_PREDICTION, "GetModelMetadata", request, serving.GetModelMetadataResponse, None)

    def _answering_version(self) -> int:
        """The version that a label stands for: status knows no labels (get_model_status_impl.cc), metadata does."""
        return int(self._metadata().model_spec.version.value)

    def _spec(self, signature_name: str | None) -> serving.ModelSpec:
        spec = serving.ModelSpec(name=self.servable.name, signature_name=signature_name or "")
        if self.servable.version is not None:
            spec.version.value = self.servable.version
        elif self.servable.label is not None:
            spec.version_label = self.servable.label
        return spec

    def _predict_request(
        self,
        inputs: Mapping[str, object],
        signature_name: str,
        output_filter: Sequence[str] = (),
        *,
        fit: bool = True,
    ) -> serving.PredictRequest:
        """The message that predict() sends. Raises TensorError."""
        request = serving.PredictRequest(model_spec=self._spec(signature_name), output_filter=output_filter)
        signature = self.schema.signatures.get(signature_name) if fit else None
        for name, array in fit_inputs(inputs, signature).items():
            request.inputs[name].CopyFrom(to_proto(array))
        return request

    def _call(
        self, service: str, method: str, request: Message, answer: type[_Answer], signature_name: str | None
    ) -> _Answer:
        path = f"/{service}/{method}"
        self.has_asked |= method not in _RUN_NO_MODEL
        call = self._calls.get(path)
        if call is None:
            call = self._calls[path] = self.channel.unary_unary(
                path, request_serializer=type(request).SerializeToString, response_deserializer=answer.FromString
            )
        try:
            result: _Answer = call(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise self._refusal(error, signature_name) from None
        return result

    def _refusal(self, error: Any, signature_name: str | None) -> RequestError:
        """What grpc raised for a call, as the error that this client raises."""
        code = Code(error.code().value[0])
        message = error.details() or ""
        if code is Code.DEADLINE_EXCEEDED:
            message = f"no answer within {self._timeout:g} s (--tfserving-request-timeout): {message}"
        return RequestError(code, message, transport=self.transport, model=str(self.servable), signature=signature_name)


def _example_input(examples: Sequence[Features], context: Features | None) -> serving.Input:
    protos = [example_proto(features) for features in examples]
    if context is None:
        return serving.Input(example_list=serving.ExampleList(examples=protos))
    return serving.Input(
        example_list_with_context=serving.ExampleListWithContext(examples=protos, context=example_proto(context))
    )


def _classes(result: serving.ClassificationResult) -> Classes:
    return [
        [(c.label.decode("utf-8", "surrogateescape"), c.score) for c in classifications.classes]
        for classifications in result.classifications
    ]
