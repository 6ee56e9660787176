"""`python -m manifests log`."""

import argparse

from manifests.errors import UserError
from manifests.store.manifest import Manifest, ManifestStore
from manifests.store.version_spec import SELECTIONS


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add no option: the command has those of all commands."""


def run(options: argparse.Namespace) -> None:
    """Print every version, newest first, then the selections, line by line."""
    history = ManifestStore(options.manifests).history()
    if not history:
        raise UserError(f"expected versions in {options.manifests}, found none; make one with pipeline.generate")
    for manifest in reversed(history):
        print(f"v{manifest.version}  {_summary(manifest)}")
    selections = options.manifests / SELECTIONS
    lines = [entry for entry in selections.iterdir() if entry.is_dir()] if selections.is_dir() else []
    for line in sorted(lines, key=lambda line: line.name):
        for manifest in reversed(ManifestStore(line).history()):
            base = f" of {manifest.parameters['base']}" if "base" in manifest.parameters else ""
            print(f"{SELECTIONS}/{line.name}/v{manifest.version}  {_summary(manifest)}{base}")


def _summary(manifest: Manifest) -> str:
    counts = ", ".join(f"{count} {word}" for word, count in manifest.counts.items())
    part = f"; part: {manifest.parameters['part']}" if "part" in manifest.parameters else ""  # of a run at work
    return f"{manifest.created_at:%Y-%m-%d %H:%M} UTC  {manifest.operation:<10} {counts}{part}"
