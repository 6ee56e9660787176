"""Fit and measure small segmentation networks on the accepted rows of a manifest.

    device.py          `--device`
    models/            the networks, and `create_model`
    data/              accepted rows -> batches
    weights/           checkpoints, and weights to start from
    inference/         checkpoints, exports and ONNX files behind one method
    fit/               `python -m trainer.fit`
    evaluate/          `python -m trainer.evaluate`
    compare/           `python -m trainer.compare`
    suspects/          `python -m trainer.suspects`
    export/            `python -m trainer.export`
    image_encoder/     `python -m trainer.image_encoder`
    predict/           `python -m trainer.predict`
    demo/              `python -m trainer.demo`
    web_demo/          `python -m trainer.web_demo`
    bench/             `python -m trainer.bench`
    import_weights.py  `python -m trainer.import_weights`

`trainer` imports `manifests` and neither prefect nor gradio; only demo/page.py imports gradio, when the demo starts.
"""

import os

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # no telemetry; read when gradio is imported
