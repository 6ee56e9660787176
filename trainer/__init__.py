"""Fit and measure small segmentation networks on the accepted rows of a manifest.

    models/           the networks, and `create_model`
    preprocessing.py  RGB pixels -> what a network expects; kept with every checkpoint
    data.py           a manifest's accepted rows -> decoded samples
    cache.py          the same in memory-mapped files, decoded once
    augmentation.py   batched, seeded changes of images and labels
    backgrounds.py    pictures without people
    compositing.py    people before other backgrounds, and backgrounds alone
    distillation.py   targets mixed with what teachers say
    losses.py         cross-entropy, Lovasz, Dice, focal, and the boundary term
    recipe.py         every choice of a run by name; the presets
    schedule.py       the learning rate
    ema.py            moving average of the weights
    engine.py         Lightning Fabric: one process or several
    share.py          a process's rows of every batch
    objective.py      network and loss as one function, compiled
    whole_batch.py    the loss of the whole batch in each of several processes
    training.py       one epoch
    metrics.py        miou, person_iou_per_image, boundary_f1, and their intervals
    tensorfile.py     named tensors and a JSON header in one file, whole or not at all
    checkpoint.py     weights and everything needed to use them again
    initial.py        `--init`
    import_encoder.py TensorFlow's MobileNetV2 as an encoder
    resume.py         the state of an unfinished run
    runlog.py         CSV and TensorBoard
    report.py         curves, sheet of predictions, model card
    device.py         `--device`
    memory.py         the C library's allocator, set for training
    options.py        the words of trainer.fit
    person_free.py    what a network finds where nobody is
    predictors.py     checkpoints, exports and ONNX files behind one method
    runtimes/         exports in OpenVINO and ncnn
    exports/          a checkpoint in other runtimes' formats
    export.py         `python -m trainer.export`
    fit.py            `python -m trainer.fit`
    evaluate.py       `python -m trainer.evaluate`
    per_image.py      the figures of every picture, and the metrics of any draw of them
    bootstrap.py      differences of two arms, with intervals over pictures and seeds
    arms.py           `--arm NAME=OPTIONS`
    comparison.py     what a comparison is about and has found
    comparison_run.py one arm with one seed: fitted, measured
    comparison_report.py  tables and plot
    compare.py        `python -m trainer.compare`
    predict.py        `python -m trainer.predict`
    cutout/           what it cuts people out with
    demo.py           `python -m trainer.demo`; demo_page.py is its page, side_by_side.py what it shows
    web_demo.py       `python -m trainer.web_demo`; web/ is its page
    web_network.py    the network of that page
    onnxruntime_web.py  what runs it in the browser
    import_weights.py `python -m trainer.import_weights`
    timing.py         medians of calls that take turns
    latency.py        exported networks, their time and where it goes
    bench.py          `python -m trainer.bench`

`trainer` imports `manifests` and neither prefect nor gradio; demo_page.py alone imports gradio, when the demo starts.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read when gradio is imported: nothing here phones home
