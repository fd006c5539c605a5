"""custom_tag: a linear model under a tag and a signature of its own, as in the TF1 SavedModelBuilder tutorials.

They save with the tag `test_saved_model`, the signature `test_signature` and the method name
`test_sig_name`. Such an export is valid, but nothing finds it by default: a server must be given
the tag (--saved_model_tags=test_saved_model), and each request must name the signature, as there
is no `serving_default`.
"""

import shutil
from pathlib import Path

import tensorflow.compat.v1 as tf

EXPORT = Path(__file__).parent / "exports" / "custom_tag" / "1"


def main():
    tf.disable_v2_behavior()
    shutil.rmtree(EXPORT, ignore_errors=True)

    x = tf.placeholder(tf.float32, [None, 3], name="x")
    w = tf.Variable([1.0, 10.0, 100.0], name="w")
    b = tf.Variable(0.5, name="b")
    y = tf.add(tf.reduce_sum(x * w, axis=1), b, name="y")

    signature = tf.saved_model.build_signature_def(
        inputs={"input_x": tf.saved_model.build_tensor_info(x)},
        outputs={"output": tf.saved_model.build_tensor_info(y)},
        method_name="test_sig_name",
    )
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        builder = tf.saved_model.Builder(str(EXPORT))
        builder.add_meta_graph_and_variables(
            session,
            ["test_saved_model"],
            signature_def_map={"test_signature": signature},
            # The builder's own saver writes a random uuid into the graph.
            saver=tf.train.Saver(),
        )
        builder.save()


if __name__ == "__main__":
    main()
