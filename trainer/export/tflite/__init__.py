"""NAME.tflite: the ONNX graph written as a TFLite model, without a third-party converter.

    flatbuffer.py  a TFLite model under construction
    model.py       the file in float32, with weights in half precision, or in 8 bits
    operations.py  each ONNX operation -> TFLite operations
    ranges.py      the values' ranges on images, for 8 bits

TFLite orders axes as (N, H, W, C): so are the file's `image` and `person_prob`.
"""
