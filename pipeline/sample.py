"""`python -m pipeline.sample`: one real portrait for a machine without photographs.

The astronaut Eileen Collins, NASA, public domain; it ships with scikit-image.
"""

from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, run_command


def main(arguments: Sequence[str]) -> None:
    parser = CommandParser("python -m pipeline.sample", description=__doc__, example="--output data/sample")
    parser.add_argument("--output", type=Path, required=True, help="directory to write the portrait to")
    options = parser.parse_args(arguments)
    from skimage import data

    from manifests.pixels.image_files import save_image

    save_image(data.astronaut(), options.output / "astronaut.png")
    print(options.output)


if __name__ == "__main__":
    run_command(main)
