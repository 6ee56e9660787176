"""Image embeddings for the queue's order: alike images have close ones. No torch: ONNX Runtime, one thread.

embedding_files.py   embeddings kept under the data root
encoder.py           image -> embedding, by the encoder in encoder.onnx
image_embeddings.py  the embeddings of one version's images, computed in a background thread
k_center.py          the images that cover all others best

encoder.onnx is the starter's encoder, written by `python -m trainer.image_encoder`.
"""
