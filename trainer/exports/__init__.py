"""A checkpoint in the formats of other runtimes: RGB uint8 (N, 3, H, W) in, person probability (N, 1, H, W) out.

    folding.py         convolutions and batch norms -> convolutions
    sinet_inference.py SINet with fewer operations, the same function
    deployable.py      a checkpoint and its preprocessing as one module; all formats are made from it
    onnx_graph.py      the module as an ONNX graph
    onnx_prelu.py      NAME.onnx: that graph, its PReLUs as ONNX Runtime likes them
    half.py            NAME-fp16.onnx
    quantise.py        NAME-int8.onnx
    openvino_model.py  NAME.xml and NAME.bin
    ncnn_network.py    NAME.ncnn.param, NAME.ncnn.bin, NAME.ncnn.json
    coreml_package.py  NAME.mlpackage
    photographs.py     a manifest's pictures, to compare on and to calibrate with
    parity.py          an export against its checkpoint, on photographs
    report.py          report.json and report.md

`python -m trainer.export` is the command, trainer.runtimes runs what it writes.
"""
