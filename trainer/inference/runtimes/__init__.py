"""Exported networks in other runtimes than PyTorch; ONNX Runtime's is manifests.pixels.onnx_segmenter.

    metadata.py       an export's own metadata
    ncnn_file.py      NAME.ncnn.param, NAME.ncnn.bin and NAME.ncnn.json
    openvino_file.py  NAME.xml and NAME.bin
    packages.py       optional packages, and the extras that bring them
    square.py         an image's probability by a network of one fixed square
    tflite_file.py    NAME.tflite

Each class takes RGB uint8 (H, W, 3) and returns the person probability float32 (H, W); `run` is the network alone.
"""
