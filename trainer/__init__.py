"""Fit and measure small segmentation networks on the accepted rows of a manifest.

    models/          the networks, and `create_model`
    preprocessing.py RGB pixels -> what a network expects; kept with every checkpoint
    data.py          a manifest's accepted rows -> decoded samples in memory
    augmentation.py  batched, seeded changes of images and labels
    losses.py        cross-entropy with a boundary term
    metrics.py       miou, person_iou_per_image, boundary_f1
    tensorfile.py    named tensors and a JSON header in one file, whole or not at all
    checkpoint.py    weights and everything needed to use them again
    resume.py        the state of an unfinished run
    device.py        `--device`
    fit.py           `python -m trainer.fit`
    evaluate.py      `python -m trainer.evaluate`
    bench.py         `python -m trainer.bench`

`trainer` imports `manifests` and neither prefect nor gradio.
"""
