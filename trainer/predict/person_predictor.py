"""A network, its localizer and its post-processing, as one predictor."""

from dataclasses import dataclass, field

import numpy as np

from manifests.pixels.geometry import Box, Pixels, crop
from manifests.pixels.onnx_segmenter import Prob
from trainer.inference.predictors import Predictor
from trainer.predict.localize.localizers import Localizer, WholeImage
from trainer.predict.localize.roi import predict_in_rois
from trainer.predict.localize.tiles import blended, joined, tile_boxes
from trainer.predict.postprocess import Postprocess


@dataclass(frozen=True, slots=True)
class PersonPredictor:
    """A Predictor itself, for any use of one."""

    predictor: Predictor
    localizer: Localizer = field(default_factory=WholeImage)
    postprocess: Postprocess = field(default_factory=Postprocess)

    @property
    def digest(self) -> str:
        return f"{self.predictor.digest} {self.localizer!r} {self.postprocess}"

    def person_prob(self, rgb: Pixels) -> Prob:
        """RGB uint8 (H, W, 3) -> person probability float32 (H, W) in [0, 1]."""
        image = Box.whole(rgb)
        boxes = [image] if isinstance(self.localizer, WholeImage) else tile_boxes(image)
        prob = self._localized(rgb)
        if len(boxes) > 1:
            prob = joined(blended(image, boxes, lambda box: self._localized(crop(rgb, box))), prob)
        return self.postprocess(prob, rgb, boxes)

    def _localized(self, rgb: Pixels) -> Prob:
        """RGB (H, W, 3) -> (H, W): the prediction of all of it, refined in the localizer's boxes."""
        whole = np.clip(self.predictor.person_prob(rgb), 0, 1)
        return np.clip(predict_in_rois(self.predictor, rgb, self.localizer(rgb, whole), whole), 0, 1)
