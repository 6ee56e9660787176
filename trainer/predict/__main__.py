"""`python -m trainer.predict`: cut people out of images, videos and a camera's frames."""

from collections.abc import Sequence

from manifests.cli.arguments import run_command
from trainer.predict.options import parse


def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    from trainer.predict.cutting import cut_inputs  # after parsing: torch takes seconds to load

    cut_inputs(options)


if __name__ == "__main__":
    run_command(main)
