"""From accepted rows to batches.

augmentation.py          batched, seeded changes of images and labels
augmentation_presets.py  numbers of an augmentation, by name
backgrounds.py           images without people
cache.py                 decoded samples in memory-mapped files
compositing.py           people on other backgrounds, and backgrounds alone
mixing.py                mixup and CutMix
preprocessing.py         RGB pixels -> what a network expects; kept with every checkpoint
rank_slice.py            a process's rows of every batch
samples.py               a manifest's accepted rows -> decoded samples
"""
