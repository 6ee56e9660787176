"""Repair: what a reviewer's stroke, click or key makes of a mask, computed on the server with OpenCV; no weights.

clean_up.py         keep the largest piece, fill holes, smooth the edge
smart_stroke.py     a stroke on the person or on the background -> the region that belongs to it, by GrabCut
stroke.py           a line drawn with a brush
point_prompt.py     a point on the person or on the background -> the object at it, by a point-prompt segmenter
segmenter.py        the contract of such a segmenter, which is optional: `--segmenter DIR`
onnx_segmenter.py   a segmenter in two ONNX files, encoder and decoder
prompt_layouts.py   their layouts: MobileSAM's and EfficientSAM's
embedding_cache.py  the encoder's outputs for the images on stage
"""
