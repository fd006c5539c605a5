"""image_bytes: encoded PNGs in, PNG thumbnails out, as the tutorials on serving images teach.

Decoding is part of the graph, so that a client sends files and not pixels. The names matter: JSON
carries bytes as {"b64": ...}, and a REST server writes an output that way only if its alias ends
in `_bytes`. Any other string output is written as text, and a PNG is none.
"""

import shutil
from pathlib import Path

import tensorflow as tf

EXPORT = Path(__file__).parent / "exports" / "image_bytes" / "1"
SIDE = 8


def thumbnail(png):
    """One PNG of any size: string[] -> (PNG of SIDE x SIDE: string[], mean over all pixels, 0 to 1: float32[])."""
    pixels = tf.cast(tf.io.decode_png(png, channels=3), tf.float32)
    small = tf.image.resize(pixels, [SIDE, SIDE], method="area")
    # Stored, not deflated: the bytes do not depend on the zlib that a server is built with.
    encoded = tf.io.encode_png(tf.cast(tf.round(small), tf.uint8), compression=0)
    return encoded, tf.reduce_mean(pixels) / 255.0


class Thumbnails(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image_bytes")])
    def predict(self, image_bytes):
        # One by one, as each picture may have a size of its own.
        thumbnails, brightness = tf.map_fn(
            thumbnail,
            image_bytes,
            fn_output_signature=(tf.TensorSpec([], tf.string), tf.TensorSpec([], tf.float32)),
        )
        return {"thumbnail_bytes": thumbnails, "brightness": brightness}


def main():
    shutil.rmtree(EXPORT, ignore_errors=True)
    model = Thumbnails()
    tf.saved_model.save(model, str(EXPORT), signatures={"serving_default": model.predict})
    # It holds a random uuid, the only bytes that differ from one export to the next; no server reads it.
    (EXPORT / "fingerprint.pb").unlink()


if __name__ == "__main__":
    main()
