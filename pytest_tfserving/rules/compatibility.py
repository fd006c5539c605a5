"""The rules of compatibility: what changes between two exports, and which clients that breaks.

Sources: tensorflow_serving/util/json_tensor.cc for REST's two formats, row (`instances`) and columnar (`inputs`);
tensorflow_serving/servables/tensorflow/{predict_util,classifier,regressor}.cc and tensorflow/cc/saved_model/util for
gRPC.
"""

from __future__ import annotations

from pytest_tfserving.rules.rule import Rule

SIGNATURE_REMOVED = Rule(
    "signature-removed",
    "breaking",
    "A signature is gone.",
    "A request that names a signature which is not there is refused, with FAILED_PRECONDITION over gRPC "
    "(predict_util.cc) and HTTP 400 over REST.",
    "Export it again beside the new ones, or move its clients to another signature first.",
)
SIGNATURE_RENAMED = Rule(
    "signature-renamed",
    "breaking",
    "A signature is gone, and one with the same inputs and outputs is there under a new name.",
    "A request names its signature, and the old name is refused, with FAILED_PRECONDITION over gRPC "
    "(predict_util.cc) and HTTP 400 over REST.",
    "Export the function under both names until every client sends the new one.",
)
SIGNATURE_ADDED = Rule(
    "signature-added",
    "safe",
    "A signature is new.",
    "No client calls it yet.",
    "Nothing; write it into a contract once clients rely on it.",
)
DEFAULT_SIGNATURE_REMOVED = Rule(
    "default-signature-removed",
    "breaking",
    "There is no `serving_default` any more.",
    "A request that names no signature means `serving_default` (predict_util.cc, classifier.cc, regressor.cc), and is "
    "refused where there is none.",
    "Export one of the signatures as `serving_default` too.",
)
DEFAULT_SIGNATURE_MOVED = Rule(
    "default-signature-moved",
    "breaking",
    "`serving_default` has the inputs and outputs that another signature had.",
    "A request that names no signature means `serving_default`; its sender now talks to another function.",
    "Export the old function as `serving_default`, and let clients of the other one name it.",
)
METHOD_CHANGED = Rule(
    "method-changed",
    "risky",
    "A signature's method (predict, classify, regress) is another.",
    "The server looks at it only with --enable_signature_method_name_check, and then refuses Classify and Regress for "
    "a signature of another method; clients that read the metadata choose the call by it.",
    "Keep the method, or see that no server of yours has the flag and no client reads the method.",
)
CLASSIFY_LOST = Rule(
    "classify-lost",
    "breaking",
    "A signature that Classify could call can be called by it no more.",
    "Classify wants one input `inputs` and at most two outputs, at least one of them `scores` or `classes` "
    "(classifier.cc); it takes only strings in `inputs`, and two dimensions of float32 in `scores`, of strings in "
    "`classes`. Its requests name no tensor, so that no client can follow a new name.",
    "Keep to these, and give further outputs a signature of their own.",
)
REGRESS_LOST = Rule(
    "regress-lost",
    "breaking",
    "A signature that Regress could call can be called by it no more.",
    "Regress wants one input `inputs` of strings and one output `outputs` of float32, one value an example "
    "(regressor.cc), nothing beside them. Its requests name no tensor, so that no client can follow a new name.",
    "Keep to these, and give further outputs a signature of their own.",
)

INPUT_ADDED = Rule(
    "input-added",
    "breaking",
    "An input is new, and a request must have it.",
    "The server refuses a request without it: `Missing but required` over gRPC (predict_util.cc), or where other "
    "inputs have defaults `not found in request and no default value provided`; `Missing named input` "
    "and `keys must be equal to` over REST.",
    "Give it a default in the export and let REST clients send it first, or add a second signature.",
)
INPUT_ADDED_WITH_DEFAULT = Rule(
    "input-added-with-default",
    "breaking",
    "An input is new, and has a default.",
    "gRPC clients go on: the server, from TensorFlow Serving 2.14 on, fills the default in. REST knows no defaults: "
    "both of its formats refuse a request that lacks an input (FillTensorMapFromInstancesList and "
    "FillTensorMapFromInputsMap in json_tensor.cc).",
    "Where all clients use gRPC, set this rule to `safe`; else add a second signature for those that send the new "
    "input.",
)
INPUT_REMOVED = Rule(
    "input-removed",
    "breaking",
    "An input is gone.",
    "A request that sends it is refused over gRPC (`Sent extra`, predict_util.cc) and in REST's row format; the "
    "columnar format ignores what it does not know and answers without it.",
    "Keep the input and do not use its value, until no client sends it.",
)
INPUT_RENAMED = Rule(
    "input-renamed",
    "breaking",
    "An input is gone, and one that looks like it is there under a new name.",
    "Requests name their inputs, and the old name is refused. Only a REST client that sends a lone input bare, as in "
    '`{"instances": [1.0]}`, names none and notices nothing.',
    "Export with the old name: the argument's name of the exported function, or of its TensorSpec, is the input's.",
)
INPUT_DEFAULT_LOST = Rule(
    "input-default-lost",
    "breaking",
    "An input that could be left out must be sent.",
    "A gRPC request without it is refused: `not found in request and no default value provided`, or `Missing but "
    "required` where no input has a default any more. REST always had to send it.",
    "Export the default again.",
)
INPUT_DEFAULT_ADDED = Rule(
    "input-default-added",
    "safe",
    "An input has a default and may be left out.",
    "Requests that send it are answered as before.",
    "Nothing.",
)
INPUT_DEFAULT_CHANGED = Rule(
    "input-default-changed",
    "risky",
    "An input's default is another value.",
    "A gRPC request that leaves the input out gets another answer, and nothing says so.",
    "Keep the default, or let clients send the old value.",
)
INPUT_DTYPE_CHANGED = Rule(
    "input-dtype-changed",
    "breaking",
    "An input has another dtype.",
    "A gRPC client states the dtype, and the old one is refused: `Expects arg[0] to be float but int32 is provided`. "
    "A REST client sends JSON, which the server reads as the new dtype: some values pass as before, some are refused, "
    "some are changed without a word (json_tensor.cc, FillTensorProto); the finding says which.",
    "Keep the dtype and cast inside the model.",
)
INPUT_SIZE_CHANGED = Rule(
    "input-size-changed",
    "breaking",
    "A fixed size of an input is another.",
    "The server checks no sizes: what clients send reaches the graph, and an operation there fails, or computes "
    "something else.",
    "Reshape or pad inside the model, or add a signature for the new size.",
)
INPUT_SHAPE_NARROWED = Rule(
    "input-shape-narrowed",
    "breaking",
    "A size of an input that was open is fixed or limited, or the rank that was open is.",
    "Requests of other sizes reach a graph that was not made for them (the server checks no sizes): an operation "
    "fails, or computes something else.",
    "Export with the dimension open (None in the TensorSpec).",
)
INPUT_SHAPE_WIDENED = Rule(
    "input-shape-widened",
    "safe",
    "A size of an input that was fixed is open.",
    "What clients send is still taken.",
    "Nothing.",
)
INPUT_RANK_CHANGED = Rule(
    "input-rank-changed",
    "breaking",
    "An input has more or fewer dimensions.",
    "What clients send reaches operations that are made for another rank and fail, or broadcast.",
    "Reshape inside the model.",
)
BATCH_DIMENSION_FIXED = Rule(
    "batch-dimension-fixed",
    "breaking",
    "The first dimension was open and has a fixed size.",
    "Clients that send several rows at once, or fewer than the fixed number, get an error or too few rows; server-side "
    "batching cannot put requests together.",
    "Export with the first dimension open (None in the TensorSpec).",
)
BATCH_DIMENSION_LOST = Rule(
    "batch-dimension-lost",
    "breaking",
    "The open first dimension is gone; the others are as before.",
    "REST's row format always sends a batch, and reads one off each output; gRPC clients send and expect it too.",
    "Keep the batch dimension in the exported signature.",
)
BATCH_DIMENSION_GAINED = Rule(
    "batch-dimension-gained",
    "breaking",
    "There is an open first dimension before those of old.",
    "Clients send and expect one dimension fewer.",
    "Add the batch in a second signature, and move clients there.",
)
BATCH_DIMENSION_OPENED = Rule(
    "batch-dimension-opened",
    "safe",
    "The first dimension had a fixed size and is open.",
    "What clients send is still taken; an answer has as many rows as its request.",
    "Nothing.",
)

OUTPUT_ADDED = Rule(
    "output-added",
    "safe",
    "An output is new.",
    "An answer has one entry more. What that does to the form of REST's answers, the rules `rest-...` find.",
    "Nothing; a client of gRPC that wants it out of its answers sets an output filter.",
)
OUTPUT_REMOVED = Rule(
    "output-removed",
    "breaking",
    "An output is gone.",
    "Answers lack it, and a gRPC request whose output filter names it is refused (predict_util.cc).",
    "Keep the output until no client reads it.",
)
OUTPUT_RENAMED = Rule(
    "output-renamed",
    "breaking",
    "An output is gone, and one that looks like it is there under a new name.",
    "gRPC clients look an output up by its name. So do REST clients where there are several; a lone output has no name "
    "in REST's answers (MakeJsonFromTensors in json_tensor.cc), so that they notice nothing.",
    "Export with the old name: return a dict from the exported function; its keys are the outputs' names.",
)
OUTPUT_DTYPE_CHANGED = Rule(
    "output-dtype-changed",
    "breaking",
    "An output has another dtype.",
    "A gRPC client finds its values in another field of the TensorProto (`float_val`, `int_val`), the old one empty; "
    "integers of up to 32 bits, uint32 apart, share a field, and only the dtype beside it is another. What "
    "a REST client sees depends on the dtypes; the finding says it.",
    "Keep the dtype: cast the output inside the model.",
)
OUTPUT_SIZE_CHANGED = Rule(
    "output-size-changed",
    "breaking",
    "A fixed size of an output is another.",
    "Clients that know the size read past the end, or miss values; classes may mean others than before.",
    "Add the new answer as an output or a signature of its own.",
)
OUTPUT_SHAPE_NARROWED = Rule(
    "output-shape-narrowed",
    "safe",
    "A size of an output that was open is fixed.",
    "Clients that take any size take this one.",
    "Nothing.",
)
OUTPUT_SHAPE_WIDENED = Rule(
    "output-shape-widened",
    "risky",
    "A size of an output that was fixed is open, or its rank is.",
    "Clients may rely on the size that was promised; now nothing promises it.",
    "Fix the size in the exported function (tf.ensure_shape), or see that clients read it off each answer.",
)
OUTPUT_RANK_CHANGED = Rule(
    "output-rank-changed",
    "breaking",
    "An output has more or fewer dimensions.",
    "A REST client finds lists nested deeper or less deep, a gRPC client another number of sizes.",
    "Reshape inside the model, or add the new form as an output of its own.",
)
BYTES_SUFFIX_GAINED = Rule(
    "bytes-suffix-gained",
    "breaking",
    "A string output's name now ends in `_bytes`.",
    'REST writes such an output\'s strings as `{"b64": "..."}` objects, and all others as text (json_tensor.cc, '
    "IsNamedTensorBytes); clients that read text get objects.",
    "Keep the name where the strings are text.",
)
BYTES_SUFFIX_LOST = Rule(
    "bytes-suffix-lost",
    "breaking",
    "A string output's name no longer ends in `_bytes`.",
    'REST writes an output\'s strings as `{"b64": "..."}` objects only under such a name (json_tensor.cc, '
    "IsNamedTensorBytes); clients that decode base64 get text, and bytes that are no UTF-8 make the whole answer "
    "invalid JSON.",
    "Keep the `_bytes` at the end of the name.",
)

REST_INPUT_NEEDS_NAME = Rule(
    "rest-input-needs-name",
    "breaking",
    "There was one input and are several.",
    'REST takes a lone input bare, as in `{"instances": [1.0, 2.0]}` and `{"inputs": [1.0, 2.0]}`; of several each '
    "must be named, and the bare form is refused (`instances is a plain list, but expecting list of objects`).",
    "Keep the signature, and add a second one for the new input.",
)
REST_OUTPUT_NAMED = Rule(
    "rest-output-named",
    "breaking",
    "There was one output and are several.",
    'REST writes a lone output bare, `{"predictions": [2.5, 3.0]}`, and several by name, `{"predictions": [{"y": 2.5, '
    '"z": 1}, ...]}`; the columnar format likewise (MakeJsonFromTensors in json_tensor.cc). REST has no output filter.',
    "Give the new outputs a signature of their own.",
)
REST_OUTPUT_BARE = Rule(
    "rest-output-bare",
    "breaking",
    "There were several outputs and is one.",
    'REST writes several outputs by name, `{"predictions": [{"y": 2.5, "z": 1}]}`, and a lone one bare, '
    '`{"predictions": [2.5]}` (MakeJsonFromTensors in json_tensor.cc); clients that look the name up find none.',
    "Keep a second output.",
)
REST_REQUEST_LOST = Rule(
    "rest-request-lost",
    "breaking",
    "REST cannot send a request any more: an input has a dtype without a JSON form, or there is no input.",
    "REST reads no float16, bfloat16, uint16, complex or quantized values (UNIMPLEMENTED, json_tensor.cc), and cannot "
    "call a signature without inputs; as it must send every input, no request passes.",
    "Take another dtype in the signature and cast inside the model.",
)
REST_ANSWER_LOST = Rule(
    "rest-answer-lost",
    "breaking",
    "REST cannot answer any more: an output has a dtype without a JSON form.",
    "REST writes no float16, bfloat16, uint16, complex or quantized values, and returns all outputs or none: clients "
    "that do not read this output are refused as well (json_tensor.cc, after the model has run).",
    "Cast the output to float32 inside the model, or give it a signature of its own.",
)
REST_ROW_REQUEST_LOST = Rule(
    "rest-row-request-lost",
    "breaking",
    "REST's row format cannot send what an input wants any more: it has no batch dimension.",
    "The row format needs every input in every instance, and puts one value an instance together along a first "
    "dimension (json_tensor.cc): a scalar arrives as a vector, on which an operation fails, or which it broadcasts.",
    "Give the input a batch dimension, or move REST clients to the columnar format.",
)
REST_ROW_ANSWER_LOST = Rule(
    "rest-row-answer-lost",
    "breaking",
    "REST's row format cannot answer any more: an output has no batch dimension, or another than the rest.",
    "An answer to `instances` is a row an example, so that every output must have the same first dimension, else the "
    "whole answer is refused: `has no shape information`, `has inconsistent batch size` (MakeRowFormatJsonFromTensors "
    "in json_tensor.cc).",
    "Give the output a batch dimension (tf.repeat, tf.broadcast_to), or a signature of its own.",
)

# As docs/rules.md lists them: a group a heading.
SIGNATURE_RULES = (
    SIGNATURE_REMOVED, SIGNATURE_RENAMED, SIGNATURE_ADDED, DEFAULT_SIGNATURE_REMOVED, DEFAULT_SIGNATURE_MOVED,
    METHOD_CHANGED, CLASSIFY_LOST, REGRESS_LOST,
)  # fmt: skip
INPUT_RULES = (
    INPUT_ADDED, INPUT_ADDED_WITH_DEFAULT, INPUT_REMOVED, INPUT_RENAMED, INPUT_DEFAULT_LOST, INPUT_DEFAULT_ADDED,
    INPUT_DEFAULT_CHANGED, INPUT_DTYPE_CHANGED, INPUT_SIZE_CHANGED, INPUT_SHAPE_NARROWED, INPUT_SHAPE_WIDENED,
    INPUT_RANK_CHANGED,
)  # fmt: skip
OUTPUT_RULES = (
    OUTPUT_ADDED, OUTPUT_REMOVED, OUTPUT_RENAMED, OUTPUT_DTYPE_CHANGED, OUTPUT_SIZE_CHANGED, OUTPUT_SHAPE_NARROWED,
    OUTPUT_SHAPE_WIDENED, OUTPUT_RANK_CHANGED, BYTES_SUFFIX_GAINED, BYTES_SUFFIX_LOST,
)  # fmt: skip
BATCH_RULES = (BATCH_DIMENSION_FIXED, BATCH_DIMENSION_LOST, BATCH_DIMENSION_GAINED, BATCH_DIMENSION_OPENED)
REST_RULES = (
    REST_INPUT_NEEDS_NAME, REST_OUTPUT_NAMED, REST_OUTPUT_BARE, REST_REQUEST_LOST, REST_ANSWER_LOST,
    REST_ROW_REQUEST_LOST, REST_ROW_ANSWER_LOST,
)  # fmt: skip
COMPATIBILITY_RULES = (*SIGNATURE_RULES, *INPUT_RULES, *OUTPUT_RULES, *BATCH_RULES, *REST_RULES)
