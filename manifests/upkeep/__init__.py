"""Upkeep of a dataset: check and count versions, delete unused blobs, forget samples.

blob_listing.py  lists the blobs under a data root
forget.py        deletes the pixels of samples for good
forget_plan.py   finds their files, and the versions and checkpoints that hold them
garbage.py       finds and deletes blobs that nothing names
stats.py         statistics of a version, as numbers and text tables
verify.py        checks a version's schema, blobs and splits
"""
