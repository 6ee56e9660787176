"""The ground floor: what a dataset version is, where its pixels lie, and how verdicts are kept.

    schema.py        the columns of a manifest, and `validate`, which lists every violation at once
    store.py         immutable versions `v<N>.parquet`, committed exclusively; `CommitConflict`
    blobs.py         files named by the SHA-256 of their bytes
    images.py        bytes -> RGB pixels, or `UnusableImage` with a reason
    masks.py         the mask PNG; reading 0/1, 0/255 and label masks
    geometry.py      `Box`, cropping and pasting an ROI
    samples.py       one sample -> one row: identity, scores, blobs
    duplicates.py    perceptual hash -> near-duplicate groups -> split
    versions.py      which version a user means: 3, v3, a path
    ground_truth.py  `import`: trusted image and mask pairs
    stems.py         the pairs of two directories, by stem
    polarity.py      whether masks mark the background
    originals.py     source images that are blobs as they are
    imports/         the same out of other formats: COCO, CVAT, VOC, Supervisely and public datasets
    exports/         a version in the layout of another tool
    rle.py           COCO's run-length encoding of a mask
    decisions.py     the append-only decision log (SQLAlchemy Core)
    second_look.py   accepted masks that a score doubts -> flags in the decision log
    publish.py       decision log + latest version -> next version
    restore.py       an older version's rows -> next version; what becomes of later verdicts
    merge.py         another lineage's rows and blobs -> next version; conflicts (lineages.py: the common ancestor)
    merged_splits.py groups and splits of two lineages put together: what was held out stays so
    diff.py          two versions -> rows added, removed, re-decided, re-labelled
    selection.py     policy + version -> the rows it takes, a version of a line of its own
    garbage.py       blobs that nothing names any more
    verify.py        whether a version keeps what it promises
    sheet.py         contact sheet of samples, for looking at them
    address.py       where a server listens; serving.py runs it

`pipeline`, `review_ui` and `trainer` import this package; it imports none of them, and no torch.
"""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("maskfoundry")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
