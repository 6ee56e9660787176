"""Datasets: immutable versions, their pixels, the decision log, and other tools' formats.

    errors.py    `UserError`: one clear line, no traceback
    progress.py  the progress bar of long commands
    files/       blobs and whole files
    web/         shared by every server of this project
    store/       the columns, and immutable versions `v<N>.parquet`
    pixels/      images, masks, boxes, metrics
    samples/     pixels -> one row; near-duplicates and splits
    decisions/   the decision log, and how it becomes the next version
    versions/    diff, merge, restore, select
    upkeep/      verify, stats, gc, forget
    imports/     other tools' annotations -> trusted rows
    exports/     a version in the layout of another tool
    report/      `stats --report`: one page of plots and tables
    cli/         the subcommands, and options of every command line
    run/         `python -m manifests.run`: labelling and review side by side
    bench/       `python -m manifests.bench`
    __main__.py  `python -m manifests`

`pipeline`, `review_ui` and `trainer` import this package; it imports none of them, and no torch.
"""

import os
from importlib.metadata import PackageNotFoundError, version

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported; its own function comes too late

try:
    __version__ = version("maskfoundry")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"
