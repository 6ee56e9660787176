"""Checkpoints, exports and ONNX files behind one method.

predictors.py  checkpoints, exports and ONNX files behind one method
runtimes/      exports in OpenVINO and ncnn
"""
