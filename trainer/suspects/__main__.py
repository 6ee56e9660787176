"""`python -m trainer.suspects`: rank the accepted masks that a network doubts, and flag them for the second look."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from manifests.cli.arguments import CommandParser, add_database_url, run_command
from manifests.cli.converters import positive
from manifests.store.manifest import Manifest
from trainer.weights.checkpoint_files import STARTER, checkpoint_path

TOP = 20
SCORES = ("softmin", "iou")  # the table in label_quality, which loads too much for parsing; tests compare them


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    from trainer.suspects.ranking import Ranking, rank_suspects  # after parsing: torch takes seconds to load

    rank_suspects(
        Manifest.open(options.manifest, data_root=options.data),
        options.checkpoint,
        options.device,
        Ranking(options.score, options.top, options.below),
        options.output,
        fitted_on=options.fitted_on,
        unseen=options.unseen,
        second_look=options.second_look,
        database_url=options.database_url,
    )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = CommandParser(
        "python -m trainer.suspects",
        description="Rank the accepted masks of a manifest by checkpoints that were not fitted on them.",
        example="--manifest manifests/v3.parquet --checkpoint starter",
    )
    add = parser.add_argument
    add("--manifest", type=Path, required=True, help="manifests/v<N>.parquet")
    add(
        "--checkpoint", type=checkpoint_path, required=True, nargs="+", metavar="PATH",
        help=f"a .safetensors file, a run's directory, an .onnx file or {STARTER}; several for folds",
    )  # fmt: skip
    add("--score", choices=SCORES, default="softmin", help="ranking score (default: %(default)s)")
    many = parser.add_mutually_exclusive_group()
    many.add_argument("--top", type=positive, default=TOP, help="suspects are the worst N (default: %(default)s)")
    many.add_argument("--below", type=float, metavar="SCORE", help="suspects are those with a lower score")
    add("--second-look", action="store_true", help="send the suspects to the review page's second look")
    add("--fitted-on", type=Path, nargs="+", default=[], metavar="PATH", help="manifests of checkpoints, if elsewhere")
    add("--unseen", action="store_true", help="checkpoints of unknown manifests have seen none of the images")
    add("--output", type=Path, default=Path("suspects.csv"), help="every score, ranked (default: %(default)s)")
    add("--data", type=Path, help="data root (default: the one the manifest records)")
    add_database_url(parser)
    add("--device", default="auto", help="auto, cpu or cuda (default: %(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
