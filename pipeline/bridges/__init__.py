"""Bridges: annotation tools that ask a teacher for masks. A student is a teacher by its ONNX file.

cvat.py          a function for `cvat-cli task auto-annotate` and CVAT's agents
label_studio/    Label Studio's ML backend
person_masks.py  an image -> one mask of all people in it
"""
