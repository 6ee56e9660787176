"""Weights in files: checkpoints, and weights to start from.

authors_weights.py   a state dict of SINet's authors -> the network
checkpoint.py        weights and everything needed to use them again
checkpoint_files.py  names of checkpoint files, and `starter`
encoder_weights.py   TensorFlow's MobileNetV2 as an encoder
imported_weights.py  third-party weights -> a checkpoint
smp_weights.py       segmentation-models-pytorch's directories -> the network
starting_weights.py  `--init`
tensor_file.py       named tensors and a JSON header in one file, whole or not at all
"""
