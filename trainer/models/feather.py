"""The feather head: a segmentation, refined to an alpha matte by the image's own edges (Zhu et al. 2017).

"Fast Deep Matting for Portrait Animation on Mobile Phone", arXiv 1707.08289: a linear function of the two class
probabilities at each pixel, whose three coefficients two convolutions learn. Widths are those of
mobile_phone_human_matting.
"""

from torch import Tensor, nn

from trainer.models.blocks import ConvBNAct, concatenated

INPUT_CHANNELS = 3 + 2 + 3 + 3  # image, probabilities, squared image, image times the person's probability
MIDDLE_CHANNELS = 8
COEFFICIENTS = 3  # of person, of background, constant


class FeatherNetwork(nn.Module):
    """(N, 3, H, W) -> logits (N, 2, H, W) of the matte, whose person probability is alpha.

    `body` is any network of two classes; the head adds 1,035 parameters.
    """

    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.coefficients = nn.Sequential(
            ConvBNAct(INPUT_CHANNELS, MIDDLE_CHANNELS, bias=True),
            nn.Conv2d(MIDDLE_CHANNELS, COEFFICIENTS, 3, padding=1),
        )

    def forward(self, images: Tensor) -> Tensor:
        return self.matting_outputs(images)[1]

    def matting_outputs(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(N, 3, H, W) -> logits (N, 2, H, W) of the segmentation and of the matte."""
        logits = self.body(images)
        probs = logits.softmax(dim=1)
        background, person = probs[:, :1], probs[:, 1:]
        maps = concatenated(images, probs, images.square(), images * person)
        of_person, of_background, constant = self.coefficients(maps).chunk(COEFFICIENTS, dim=1)
        half = (of_person * person + of_background * background + constant) / 2
        return logits, concatenated(-half, half)
