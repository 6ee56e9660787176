"""A SINet's encoder as one ONNX file that turns images into embeddings: the review page orders its queue by them.

    __main__.py  the command line
    encoder.py   checkpoint -> encoder, standardised by photographs -> ONNX file

RGB uint8 `image` (1, 3, S, S) -> float32 `embedding` (1, 144) of length 1; S is the side the network was fitted at.
"""
