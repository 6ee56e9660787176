"""Checkpoints, exports and ONNX files behind one method.

predictors.py  the method, and the choice of a predictor by a file's suffix
runtimes/      exports in OpenVINO, ncnn and LiteRT
"""
