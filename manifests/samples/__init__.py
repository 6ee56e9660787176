"""Samples: from pixels to a row, and which rows are near-duplicates.

attributes.py       text attributes of samples, in files beside the blobs
duplicates.py       perceptual hashes, when two images are look-alikes, and the split of a group
groups.py           which near-duplicate group a new sample joins
near_duplicates.py  look-alikes in a dataset of millions of rows
near_pairs.py       all pairs of near hashes among millions
pair.py             a row's image and mask, read from its blobs
sample.py           one sample -> one row: identity, scores, blobs
slices.py           samples whose faces, masks or light lie between stated limits
"""
