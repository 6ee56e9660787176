"""`--refine`: how the edge of a mask is moved onto the edge in the photograph."""

from collections.abc import Callable

from manifests.geometry import Pixels
from manifests.onnx_segmenter import Prob
from trainer.cutout.guided import guided_refinement
from trainer.cutout.matting import matting_refinement

Refinement = Callable[[Prob, Pixels], Prob]


def unrefined(prob: Prob, rgb: Pixels) -> Prob:
    """What the network gave."""
    return prob


REFINEMENTS: dict[str, Refinement] = {
    "none": unrefined,
    "guided": guided_refinement,
    "matting": matting_refinement,
}
