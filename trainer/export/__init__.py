"""A checkpoint in the formats of other runtimes: RGB uint8 (N, 3, H, W) in, person probability (N, 1, H, W) out.

    __main__.py          the command line
    conversion.py        the formats one after the other, compared and published together
    coreml_package.py    NAME.mlpackage
    deployable.py        a checkpoint and its preprocessing as one module; all formats are made from it
    folding.py           convolutions and batch norms -> convolutions
    half.py              NAME-fp16.onnx
    merged_branches.py   SINet's branches in one piece: fewer operations for accelerators
    ncnn_network.py      NAME.ncnn.param, NAME.ncnn.bin, NAME.ncnn.json
    onnx_graph.py        the module as an ONNX graph
    onnx_prelu.py        NAME.onnx: that graph, its PReLUs rewritten for ONNX Runtime
    openvino_model.py    NAME.xml and NAME.bin
    operation_counts.py  an exported file's operations by kind
    parity.py            an export against its checkpoint, on photographs
    photographs.py       a manifest's images, to compare on and to calibrate with
    quantise.py          NAME-int8.onnx
    report.py            report.json and report.md
    sinet_inference.py   SINet with fewer operations, the same function
    tflite/              NAME.tflite, NAME-fp16.tflite, NAME-int8.tflite

`python -m trainer.export` is the command, trainer.inference runs what it writes.
"""
