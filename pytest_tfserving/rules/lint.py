"""What will hurt when an export is served, found in the export alone.

`breaking`: a client or the server fails whatever is done. `risky`: some clients, formats or servers do. `safe`: worth
knowing before a client meets it. Files that reasons name are TensorFlow Serving's, below tensorflow_serving/, unless
they begin with tensorflow/.
"""

from __future__ import annotations

from pytest_tfserving.rules.rule import Rule

NO_SIGNATURE = Rule(
    "no-signature",
    "breaking",
    "The export has no signature.",
    "A server loads such an export and reports it AVAILABLE, and every request is then refused: all of them name a "
    "signature, or mean serving_default (servables/tensorflow/predict_util.cc).",
    "Export with signatures: tf.saved_model.save(..., signatures=...), or model.export() in Keras.",
)
NO_SERVING_DEFAULT = Rule(
    "no-serving-default",
    "risky",
    "No signature is called serving_default.",
    "A request that names no signature means serving_default (servables/tensorflow/predict_util.cc); where there is "
    "none, REST answers 400 and gRPC FAILED_PRECONDITION.",
    "Export the signature that most clients call under the name serving_default too.",
)
TAGS_NOT_SERVE = Rule(
    "tags-not-serve",
    "risky",
    "No graph has the tags that a server loads.",
    "A server loads the graph with exactly the tag serve unless --saved_model_tags says otherwise "
    "(model_servers/main.cc); an export without that graph does not load.",
    "Export with the tag serve, or start every server with --saved_model_tags.",
)
VARIABLES_INCOMPLETE = Rule(
    "variables-incomplete",
    "breaking",
    "Variables are missing, or shorter than their index says.",
    "Without variables.index the loader restores nothing and the model is reported AVAILABLE, then every predict fails "
    "with FAILED_PRECONDITION; with an index and a missing or short shard, the load fails "
    "(tensorflow/cc/saved_model/loader.cc, RunRestore).",
    "Copy the export whole, or export it again.",
)
VARIABLES_NOT_RESTORED = Rule(
    "variables-not-restored",
    "breaking",
    "A signature reads variables that loading gives no value.",
    "The loader runs the graph's restore op and its initialiser (tensorflow/cc/saved_model/loader.cc, RunRestore, "
    "RunInitOp); a variable that neither assigns stays empty. The model is reported AVAILABLE, then every predict that "
    "reads it fails. tf.saved_model.save of a Keras 3 model writes such an export: what is restored are copies.",
    "Export with Keras's model.export(), or keep every variable that a function uses as an attribute of what is saved.",
)
ASSET_MISSING = Rule(
    "asset-missing",
    "breaking",
    "A file of assets/ that the graph reads is missing.",
    "The loader feeds the paths of assets to the initialiser, which reads the files, such as a table's vocabulary; "
    "the load fails (tensorflow/cc/saved_model/loader.cc, RunInitOp), or a request that reads one.",
    "Copy the export whole, or export it again.",
)
UNKNOWN_OP = Rule(
    "unknown-op",
    "breaking",
    "An op that the standard server does not have.",
    "A graph, with the functions that it calls, loads only where each of its ops is registered: those of TensorFlow, "
    "TensorFlow Text and Decision Forests' inference in the server's standard build (model_servers/BUILD, "
    "SUPPORTED_TENSORFLOW_OPS). The server has no flag that loads a library of ops, so the standard image cannot serve "
    "the model at all; hence breaking. Whoever builds a server with the op accepts the finding with that reason.",
    "Build tensorflow_model_server with the op and name that binary or image; the embedded server loads the op's "
    "library with --tfserving-server-arg=--custom_op_libraries=FILE. Or export without the op.",
)
PYTHON_OP = Rule(
    "python-op",
    "breaking",
    "A signature runs Python code.",
    "What tf.py_function and tf.numpy_function put into the graph is a reference to a function in the process that "
    "exported it; the server has no Python, and no kernel for the op "
    "(tensorflow/python/lib/core/py_func.cc is in the Python wheel alone).",
    "Write the function in TensorFlow's ops, or move it to the client.",
)
FILE_OP = Rule(
    "file-op",
    "risky",
    "A signature reads or writes files.",
    "The op runs at each request on the server's machine, in a container that has other files, as a user who may not "
    "write, with the server's rights: it fails there, or lets a client name the file.",
    "Feed the content not the path, or make the file an asset (tf.saved_model.Asset) that the initialiser reads.",
)
STATE_CHANGE = Rule(
    "state-change",
    "risky",
    "A request changes variables.",
    "Several servers, or several threads of one, each keep a state of their own, and it is lost when the version is "
    "loaded again; the order of requests decides what a client is answered.",
    "Keep the state with the client or in a store, and let the signature compute from its inputs alone.",
)
WARMUP_FAILS = Rule(
    "warmup-fails",
    "breaking",
    "The warm-up file would fail the load.",
    "Before a version becomes available every record of assets.extra/tf_serving_warmup_requests is replayed, at most "
    "1000, and the first that fails, fails the load (servables/tensorflow/saved_model_warmup_util.cc, "
    "saved_model_warmup.cc): one that is no TFRecord of a PredictionLog, of a type other than predict, classify, "
    "regress and multi_inference, or that a signature refuses.",
    "Record the file again from requests that this version answers.",
)
NO_INPUTS = Rule(
    "no-inputs",
    "risky",
    "A signature without inputs.",
    "REST refuses every predict of it (util/json_tensor.cc, FillPredictRequestFromJson: 'Failed to get input map'); "
    "gRPC answers it.",
    "Give it an input, or call it over gRPC only.",
)
NO_OUTPUTS = Rule(
    "no-outputs",
    "breaking",
    "A signature without outputs.",
    "There is nothing to fetch, and the session refuses that: 'Must specify at least one target to fetch or execute' "
    "(tensorflow/core/graph/subgraph.cc).",
    "Return a tensor from the function, or leave it out of the signatures.",
)
TENSOR_NOT_IN_GRAPH = Rule(
    "tensor-not-in-graph",
    "breaking",
    "A signature names a tensor that the graph lacks.",
    "Signatures are not looked at when the model is loaded; inputs are fed and outputs fetched by the name in the "
    "signature's TensorInfo (servables/tensorflow/predict_util.cc), and the session refuses one that is not there. A "
    "sparse or composite tensor has no name of its own, and cannot be served either.",
    "Export again, with dense tensors.",
)
METHOD_UNKNOWN = Rule(
    "method-unknown",
    "risky",
    "A signature's method is none that is served.",
    "A server that runs with --enable_signature_method_name_check refuses the signature "
    "(servables/tensorflow/predict_util.cc); others take no notice of the method.",
    "Export with one of tensorflow/serving/predict, classify and regress as the method.",
)
EXAMPLES_FORM = Rule(
    "examples-form",
    "risky",
    "A classify or regress signature that Classify or Regress refuses.",
    "Classify wants one string input `inputs`, and one output or two, `classes` (string) or `scores` (float32) among "
    "them; Regress wants one string input `inputs` and one float32 output `outputs` (servables/tensorflow/"
    "classifier.cc, regressor.cc). Found out at the first request. Predict takes signatures of all three methods.",
    "Export with those names, or with the method predict.",
)
ROWS_UNBATCHED_INPUT = Rule(
    "rows-unbatched-input",
    "risky",
    "An input that REST's row format cannot send.",
    "Every row of `instances` gives a value to every input, and the rows are stacked, so that each input gets a first "
    "dimension of as many as there are rows (util/json_tensor.cc, FillTensorMapFromInstancesList). A scalar, or a "
    "tensor without that dimension, arrives with one too many.",
    "Send the signature's requests with `inputs` (columnar), or over gRPC; or give the input a batch dimension.",
)
ROWS_UNBATCHED_OUTPUT = Rule(
    "rows-unbatched-output",
    "risky",
    "An output without a batch dimension.",
    "A request with `instances` is answered in rows, one for each index of the outputs' first dimension; a scalar is "
    "refused after the model ran (util/json_tensor.cc, MakeRowFormatJsonFromTensors: 'has no shape information'). With "
    "--enable_batching such an output is refused for every client (batching/batching_session.cc).",
    "Let clients send `inputs` (columnar) or use gRPC; or give the output a batch dimension.",
)
ROWS_UNEVEN_OUTPUTS = Rule(
    "rows-uneven-outputs",
    "risky",
    "Outputs whose first dimensions differ.",
    "In rows all outputs must have as many rows, else the answer is refused after the model ran (util/json_tensor.cc, "
    "MakeRowFormatJsonFromTensors: 'has inconsistent batch size').",
    "Let clients send `inputs` (columnar) or use gRPC; or split the signature.",
)
FIXED_BATCH = Rule(
    "fixed-batch",
    "risky",
    "The batch size is fixed.",
    "A request must have exactly as many rows as the graph was exported with; with another number the first kernel "
    "that notices fails, since the server itself does not compare shapes. With --enable_batching requests are merged, "
    "so that none fits.",
    "Export with an open first dimension: tf.TensorSpec([None, ...]).",
)
DTYPE_NOT_IN_JSON = Rule(
    "dtype-not-in-json",
    "risky",
    "A dtype that REST cannot carry.",
    "half, bfloat16, uint16, complex and quantized tensors have no JSON: an input is refused as UNIMPLEMENTED, an "
    "output with 400 after the model ran (util/json_tensor.cc, FillTensorProto and AddSingleValueAndAdvance). gRPC "
    "carries them.",
    "Cast in the signature (half and bfloat16 to float32, uint16 to int32, complex to two float tensors), or use gRPC.",
)
DTYPE_NOT_SERVED = Rule(
    "dtype-not-served",
    "risky",
    "A tensor that no client can make or make use of.",
    "A resource or variant is a handle to something in the server's process. REST has no JSON for it and refuses every "
    "answer with one (util/json_tensor.cc, AddSingleValueAndAdvance); a TensorProto can name it "
    "(tensorflow/core/framework/tensor.proto), which says nothing to another process. The embedded server refuses it.",
    "Leave the tensor out of the signature, or give its content as a dense tensor.",
)
INT64_IN_JSON = Rule(
    "int64-in-json",
    "safe",
    "64-bit integers, which JSON clients may round.",
    "REST writes them as plain numbers, never as strings (util/json_tensor.cc, AddSingleValueAndAdvance); JavaScript, "
    "and every parser that reads numbers as doubles, rounds those beyond 2^53 (RFC 8259, section 6). Ids and hashes "
    "are that large, counts and class indices are not.",
    "For ids: int32 or strings, or gRPC, or a parser that keeps integers.",
)
BINARY_OUTPUT_IN_JSON = Rule(
    "binary-output-in-json",
    "risky",
    "Binary strings in an output whose name does not end in _bytes.",
    "Only outputs whose name ends in _bytes are written as base64; the bytes of others go into the JSON as they are, "
    "and what is no UTF-8 makes the whole body no valid JSON (util/json_tensor.cc; RFC 8259, section 8.1).",
    "Name the output with _bytes at the end; REST clients then get {'b64': ...}.",
)
TEXT_OUTPUT_IN_JSON = Rule(
    "text-output-in-json",
    "safe",
    "Strings, which must be UTF-8 for REST clients.",
    "Strings of an output whose name does not end in _bytes go into the JSON as they are, and one that is no UTF-8 "
    "makes the whole body no valid JSON (util/json_tensor.cc; RFC 8259, section 8.1).",
    "Nothing if it is always text; else name the output with _bytes at the end.",
)
BYTES_SUFFIX_UNUSED = Rule(
    "bytes-suffix-unused",
    "safe",
    "A name that ends in _bytes and changes nothing.",
    "The suffix makes base64 of string outputs alone; of other dtypes, nothing (util/json_tensor.cc).",
    "Nothing, or another name.",
)
INPUT_NAMED_B64 = Rule(
    "input-named-b64",
    "risky",
    "An input called b64.",
    "In JSON {'b64': text} is a base64 value and no named input (util/json_tensor.cc, IsValBase64Object), so that the "
    "same body means two things.",
    "Give the input another name.",
)
DEFAULT_NOT_OVER_REST = Rule(
    "default-not-over-rest",
    "risky",
    "An input whose default REST clients cannot rely on.",
    "REST wants every input of the signature in every request (util/json_tensor.cc: 'keys must be equal to', 'Missing "
    "named input'); over gRPC one with a default may be left out, from TensorFlow Serving 2.14 on.",
    "Let REST clients send the default, or export a signature without the input.",
)
GENERATED_NAME = Rule(
    "generated-name",
    "risky",
    "A name that a tool made up.",
    "Clients send and read tensors by these names, and the tool makes up others when the model, its layers or the tool "
    "change: input_1, dense_3, output_0, keras_tensor_12 (keras-team/keras issue 19458).",
    "Name them: tf.TensorSpec(..., name='x') for inputs, and return a dictionary {'y': ...} for outputs.",
)

LINT_RULES: tuple[Rule, ...] = (
    NO_SIGNATURE,
    NO_SERVING_DEFAULT,
    TAGS_NOT_SERVE,
    VARIABLES_INCOMPLETE,
    VARIABLES_NOT_RESTORED,
    ASSET_MISSING,
    UNKNOWN_OP,
    PYTHON_OP,
    FILE_OP,
    STATE_CHANGE,
    WARMUP_FAILS,
    NO_INPUTS,
    NO_OUTPUTS,
    TENSOR_NOT_IN_GRAPH,
    METHOD_UNKNOWN,
    EXAMPLES_FORM,
    ROWS_UNBATCHED_INPUT,
    ROWS_UNBATCHED_OUTPUT,
    ROWS_UNEVEN_OUTPUTS,
    FIXED_BATCH,
    DTYPE_NOT_IN_JSON,
    DTYPE_NOT_SERVED,
    INT64_IN_JSON,
    BINARY_OUTPUT_IN_JSON,
    TEXT_OUTPUT_IN_JSON,
    BYTES_SUFFIX_UNUSED,
    INPUT_NAMED_B64,
    DEFAULT_NOT_OVER_REST,
    GENERATED_NAME,
)
