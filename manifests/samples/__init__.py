"""Samples: from pixels to a row, and which rows are near-duplicates.

duplicates.py       perceptual hash -> near-duplicate groups -> split
near_duplicates.py  the rows whose groups new rows can join, found among millions
pair.py             a row's image and mask, out of its blobs
sample.py           one sample -> one row: identity, scores, blobs
"""
