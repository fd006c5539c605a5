"""Writes goldens/text_cnn/logged.tfrecord: what a request logger of TensorFlow Serving leaves of three requests.

Records are PredictionLogs in a TFRecord file, here by TensorFlow's own writer and TensorFlow Serving's own classes.
"""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

HERE = Path(__file__).parent
REQUESTS = [
    [[5, 13, 17, 0, 0, 0, 0, 0]],
    [[2, 4, 7, 10, 12, 0, 0, 0], [11, 16, 0, 0, 0, 0, 0, 0]],
    [[3, 9, 14, 4, 0, 0, 0, 0]],
]


def main():
    model = tf.saved_model.load(str(HERE / "exports" / "text_cnn" / "1"))
    with tf.io.TFRecordWriter(str(HERE / "goldens" / "text_cnn" / "logged.tfrecord")) as log:
        for ids in REQUESTS:
            inputs = {"input": tf.constant(ids, tf.int32), "keep_prob": tf.ones(len(ids))}
            outputs = model.signatures["serving_default"](**inputs)
            record = prediction_log_pb2.PredictionLog()
            record.log_metadata.model_spec.name = "text_cnn"
            record.log_metadata.sampling_config.sampling_rate = 0.01
            record.predict_log.request.model_spec.name = "text_cnn"
            record.predict_log.request.model_spec.signature_name = "serving_default"
            for name, tensor in inputs.items():
                record.predict_log.request.inputs[name].CopyFrom(tf.make_tensor_proto(tensor))
            for name, tensor in outputs.items():
                record.predict_log.response.outputs[name].CopyFrom(tf.make_tensor_proto(tensor))
            log.write(record.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
