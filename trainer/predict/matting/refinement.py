"""`--refine`: methods that move a mask's edge onto the photograph's."""

from collections.abc import Callable

from manifests.pixels.geometry import Pixels
from manifests.pixels.onnx_segmenter import Prob
from trainer.predict.matting.closed_form import matting_refinement
from trainer.predict.matting.guided_filter import guided_refinement

Refinement = Callable[[Prob, Pixels], Prob]


def unrefined(prob: Prob, rgb: Pixels) -> Prob:
    """The network's own probability."""
    return prob


REFINEMENTS: dict[str, Refinement] = {
    "none": unrefined,
    "guided": guided_refinement,
    "matting": matting_refinement,
}
