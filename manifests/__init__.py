"""The ground floor: what a dataset version is, where its pixels lie, and how verdicts are kept.

    schema.py        the columns of a manifest, and `validate`, which lists every violation at once
    store.py         immutable versions `v<N>.parquet`, committed exclusively; `CommitConflict`
    blobs.py         files named by the SHA-256 of their bytes
    images.py        bytes -> RGB pixels, or `UnusableImage` with a reason
    masks.py         the mask PNG; reading 0/1, 0/255 and label masks
    geometry.py      `Box`, cropping and pasting an ROI
    samples.py       one sample -> one row: identity, scores, blobs
    duplicates.py    perceptual hash -> near-duplicate groups -> split
    ground_truth.py  `import`: trusted image and mask pairs
    decisions.py     the append-only decision log (SQLAlchemy Core)
    publish.py       decision log + latest version -> next version
    sheet.py         contact sheet of samples, for looking at them

`pipeline`, `review_ui` and `trainer` import this package; it imports none of them, and no torch.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("maskfoundry")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
