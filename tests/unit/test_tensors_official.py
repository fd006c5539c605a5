"""Tensors and wire messages against TensorFlow itself and the classes of tensorflow-serving-api.

The only tests that load TensorFlow are those in test_*_official.py; they load it when they run.
"""

import importlib

import numpy as np
import pytest
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor

from pytest_tfserving.dtypes import dtype_enum
from pytest_tfserving.errors import TensorError
from pytest_tfserving.grammar import DTYPES
from pytest_tfserving.tensors import from_proto, numpy_dtype, to_proto
from pytest_tfserving.wire import serving_pb2, tensorflow_pb2

MODULES = [
    *("tensorflow.core.framework." + name for name in ("types_pb2", "tensor_pb2", "graph_pb2", "function_pb2")),
    *("tensorflow.core.protobuf." + name for name in ("saved_model_pb2", "tensor_bundle_pb2", "saver_pb2")),
    "tensorflow.core.example.example_pb2",
    *(
        f"tensorflow_serving.apis.{name}_pb2"
        for name in ("predict", "classification", "regression", "inference", "get_model_metadata", "get_model_status",
                     "logging", "model_management", "prediction_log")
    ),
    "tensorflow_serving.config.model_server_config_pb2",
]  # fmt: skip


def messages_of(descriptors):
    """All messages, nested ones included; not the entries of maps."""
    for descriptor in descriptors:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
            yield from messages_of(descriptor.nested_types)


FILES = (tensorflow_pb2.DESCRIPTOR, serving_pb2.DESCRIPTOR)
OURS = [message for file in FILES for message in messages_of(file.message_types_by_name.values())]
PACKAGE = "pytest_tfserving.wire."


def short(message):
    return message.full_name.removeprefix(PACKAGE)


def name_in(field):
    return f"{short(field.containing_type)}.{field.name}"


@pytest.fixture(scope="module")
def tensorflow():
    return importlib.import_module("tensorflow")


@pytest.fixture(scope="module")
def official(tensorflow):
    """The official descriptor of one of ours."""
    for module in MODULES:
        importlib.import_module(module)
    pool = descriptor_pool.Default()

    def find(ours):
        try:
            return pool.FindMessageTypeByName("tensorflow.serving." + short(ours))
        except KeyError:
            return pool.FindMessageTypeByName("tensorflow." + short(ours))

    return find


# Fields of another type than the official one's, on purpose: a message that nobody looks into; a text that need not be
# UTF-8.
STAND_INS = {"TensorInfo.CompositeTensor.type_spec": "Any", "Class.label": "bytes"}


def repeated(field):
    return (
        field.is_repeated if hasattr(field, "is_repeated") else field.label == field.LABEL_REPEATED
    )  # protobuf < 6.31


def shape_of(field):
    """What decides how a field is written, and what it is called."""
    return {
        "name": field.name,
        "type": field.type,
        "repeated": repeated(field),
        "oneof": field.containing_oneof and field.containing_oneof.name,
        "of": field.message_type and field.message_type.name,
    }


def something(field, number):
    """A value that a field without parts may have, here and in the official class."""
    if name_in(field) == "Class.label":
        return b"text"
    values = {
        FieldDescriptor.TYPE_STRING: f"text {number}",
        FieldDescriptor.TYPE_BYTES: b"\xff",
        FieldDescriptor.TYPE_BOOL: True,
    }
    return values.get(field.type, number)


def filled(message, depth=4):
    """A message of `message`'s type with something in every field, of each oneof in the last."""
    for number, field in enumerate(message.DESCRIPTOR.fields, start=1):
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            of_key, of_value = field.message_type.fields
            if not of_value.message_type:
                value[something(of_key, number)] = something(of_value, number)
            elif depth > 0:
                filled(value[something(of_key, number)], depth - 1)
        elif field.message_type and depth > 0 and field.message_type.name != STAND_INS.get(name_in(field)):
            if repeated(field):
                filled(value.add(), depth - 1)
            else:
                value.SetInParent()
                filled(value, depth - 1)
        elif not field.message_type and repeated(field):
            value.extend([something(field, number)] * 2)
        elif not field.message_type:
            setattr(message, field.name, something(field, number))
    return message


@pytest.mark.parametrize("ours", OURS, ids=short)
def test_fields_are_the_official_ones(ours, official):
    theirs = official(ours).fields_by_number
    for field in ours.fields:
        expected = shape_of(theirs[field.number])
        if name_in(field) in STAND_INS:
            assert field.name == expected["name"]
        else:
            assert shape_of(field) == expected


@pytest.mark.parametrize("ours", OURS, ids=short)
def test_what_we_write_the_official_class_reads_and_writes_back(ours, official):
    message = filled(message_factory.GetMessageClass(ours)())
    theirs = message_factory.GetMessageClass(official(ours)).FromString(message.SerializeToString())
    theirs.DiscardUnknownFields()  # a field that it did not know would be missing from here on
    assert type(message).FromString(theirs.SerializeToString()) == message


@pytest.mark.parametrize("ours", OURS, ids=short)
def test_fields_that_are_not_ours_survive(ours, official):
    theirs = filled(message_factory.GetMessageClass(official(ours))(), depth=2)
    carried = message_factory.GetMessageClass(ours).FromString(theirs.SerializeToString()).SerializeToString()
    assert type(theirs).FromString(carried) == theirs


@pytest.mark.parametrize(
    "ours",
    [tensorflow_pb2.DataType.DESCRIPTOR, serving_pb2.ModelVersionStatus.State.DESCRIPTOR],
    ids=lambda enum: enum.full_name.removeprefix(PACKAGE),
)
def test_enums_are_the_official_ones(ours, official):
    if ours.containing_type:
        theirs = official(ours.containing_type).enum_types_by_name[ours.name]
    else:
        theirs = descriptor_pool.Default().FindEnumTypeByName(f"tensorflow.{ours.name}")
    unknown = {value.name: value.number for value in ours.values if value.number not in theirs.values_by_number}
    shared = {value.name: value.number for value in ours.values if value.number in theirs.values_by_number}
    assert shared == {theirs.values_by_number[number].name: number for number in shared.values()}
    assert not unknown or ours.name == "DataType"  # older TensorFlows lack the newest small dtypes


def array_of(dtype, shape):
    count = int(np.prod(shape))
    if dtype == "string":
        values = np.empty(count, dtype=object)
        values[:] = [b"\x00\xff" * number for number in range(count)]
        return values.reshape(shape)
    return (np.arange(count) - (0 if dtype.startswith(("u", "bool")) else 2)).astype(numpy_dtype(dtype)).reshape(shape)


def translated(proto, cls):
    return cls.FromString(proto.SerializeToString())


ARRAY_SHAPES = [(), (1,), (5,), (2, 3), (0,), (2, 0)]


@pytest.mark.parametrize("dtype", DTYPES)
class TestArrays:
    def test_tensorflow_reads_what_we_write(self, tensorflow, dtype):
        for shape in ARRAY_SHAPES:
            array = array_of(dtype, shape)
            theirs = tensorflow.make_ndarray(translated(to_proto(array), type(tensorflow.make_tensor_proto(0))))
            np.testing.assert_array_equal(theirs, array, strict=True)

    def test_we_read_what_tensorflow_writes(self, tensorflow, dtype):
        for shape in ARRAY_SHAPES:
            array = array_of(dtype, shape)
            proto = translated(tensorflow.make_tensor_proto(array, dtype, shape), tensorflow_pb2.TensorProto)
            np.testing.assert_array_equal(from_proto(proto), array, strict=True)

    def test_we_read_what_its_core_writes(self, tensorflow, dtype):
        for shape in ARRAY_SHAPES:
            array = array_of(dtype, shape)
            content = tensorflow.io.serialize_tensor(tensorflow.constant(array, dtype, shape)).numpy()
            proto = tensorflow_pb2.TensorProto.FromString(content)
            np.testing.assert_array_equal(from_proto(proto), array, strict=True)


FIELDS = {
    "float32": ("float_val", [1.5, -2.0]),
    "float64": ("double_val", [1.5, -2.0]),
    "float16": ("half_val", [0x3E00, 0xC000]),
    "bfloat16": ("half_val", [0x3FC0, 0xC000]),
    "int8": ("int_val", [-128, 300]),
    "int16": ("int_val", [-(2**15), 2**15]),
    "int32": ("int_val", [-(2**31), 2**31 - 1]),
    "int64": ("int64_val", [-(2**63), 2**63 - 1]),
    "uint8": ("int_val", [255, -1]),
    "uint16": ("int_val", [2**16 - 1, 2**16]),
    "uint32": ("uint32_val", [2**32 - 1, 1]),
    "uint64": ("uint64_val", [2**64 - 1, 1]),
    "bool": ("bool_val", [True, False]),
    "string": ("string_val", [b"", b"\xff\x00"]),
    "complex64": ("scomplex_val", [1.5, -2.0]),
    "complex128": ("dcomplex_val", [1.5, -2.0]),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("sizes", [(), (1,), (2, 2), (5,), (0,), (3, 0), (-1,), (2, -1), (2**40, 2**40)], ids=str)
def test_typed_values_mean_what_tensorflows_core_makes_of_them(tensorflow, dtype, sizes):
    field, values = FIELDS[dtype]
    proto = tensorflow_pb2.TensorProto(dtype=dtype_enum(dtype))
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    for _ in range(4):  # no values, fewer than the shape has, as many, more
        try:
            theirs = tensorflow.io.parse_tensor(proto.SerializeToString(), dtype).numpy()
        except tensorflow.errors.InvalidArgumentError:
            with pytest.raises(TensorError):
                from_proto(proto)
        else:
            theirs = theirs if isinstance(theirs, np.ndarray) else np.array(theirs, dtype=numpy_dtype(dtype))
            np.testing.assert_array_equal(from_proto(proto), theirs, strict=True)
        getattr(proto, field).extend(values)
