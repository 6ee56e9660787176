"""`python -m trainer.fit`: fit a network on a manifest's accepted rows -> OUTPUT/best.safetensors."""

from collections.abc import Sequence

from manifests.cli.arguments import run_command
from trainer.fit.one_voice import one_voice
from trainer.fit.options import parse


@one_voice()
def main(arguments: Sequence[str]) -> None:
    options = parse(arguments)
    from trainer.fit.run import fit_or_resume  # after parsing: torch takes seconds to load

    fit_or_resume(options)


if __name__ == "__main__":
    run_command(main)
