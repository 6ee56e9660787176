"""`python -m pipeline.sample`: one real portrait for a machine without photographs.

The astronaut Eileen Collins, NASA, public domain; it ships with scikit-image.
"""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import run_command
from manifests.files.atomic import write_replace


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m pipeline.sample", description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="directory to write the portrait to")
    options = parser.parse_args(arguments)
    from PIL import Image
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "PNG")
    write_replace(options.output / "astronaut.png", buffer.getvalue())
    print(options.output)


if __name__ == "__main__":
    run_command(main)
