"""NAME.mlpackage: an mlprogram for CoreML, converted here, run only on Apple's systems.

`image` is an image input, RGB, which Vision and Xcode fill from images; `person_prob` is an array of floats.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from manifests.errors import UserError
from trainer.export.deployable import Deployable
from trainer.export.onnx_graph import quiet
from trainer.inference.runtimes.metadata import INPUT, OUTPUT, Metadata
from trainer.inference.runtimes.packages import optional


def write_coreml(network: Deployable, path: Path, metadata: Metadata) -> None:
    """Write the package; UserError when coremltools can't convert an operation of the network."""
    with quiet():
        coremltools = optional("coremltools")
        side = metadata.input_px
        traced = torch.jit.trace(network, torch.zeros(1, 3, side, side))
        image_input = coremltools.ImageType(
            name=INPUT, shape=(1, 3, side, side), color_layout=coremltools.colorlayout.RGB
        )
        try:
            model = coremltools.convert(
                traced, inputs=[image_input], outputs=[coremltools.TensorType(name=OUTPUT, dtype=np.float32)],
                convert_to="mlprogram", minimum_deployment_target=coremltools.target.iOS16,
                compute_precision=coremltools.precision.FLOAT32, skip_model_load=True,
            )  # fmt: skip
        except (NotImplementedError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f"expected a network that CoreML can hold, found {metadata.model}: {reason}; leave coreml out of --to"
            ) from error
        model.short_description = "Person segmentation of portraits"
        model.license, model.version = metadata.licence, metadata.code_version
        model.user_defined_metadata.update(metadata.as_strings())
        model.save(str(path))


def check_coreml(path: Path, metadata: Metadata) -> dict[str, Any]:
    """Read the package with coremltools: input and output.

    UserError when they aren't those of an export. Nothing is computed: CoreML predicts only on Apple's systems.
    """
    with quiet():
        spec = optional("coremltools").utils.load_spec(str(path))
    side = metadata.input_px
    image = spec.description.input[0].type.imageType
    interface = (spec.description.input[0].name, image.height, image.width, spec.description.output[0].name)
    if interface != (INPUT, side, side, OUTPUT):
        raise UserError(f"expected {(INPUT, side, side, OUTPUT)} in {path}, found {interface}")
    return {"input": [1, 3, side, side], "output": OUTPUT}


def coreml_operations(path: Path) -> Iterator[str]:
    """The kind of each operation in the package, constants among them."""
    with quiet():
        spec = optional("coremltools").utils.load_spec(str(path))
    for function in spec.mlProgram.functions.values():
        for block in function.block_specializations.values():
            for operation in block.operations:
                yield operation.type
