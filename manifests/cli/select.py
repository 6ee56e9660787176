"""`python -m manifests select POLICY.toml V`."""

import argparse
import sys
from pathlib import Path

from manifests.cli.arguments import add_version, version_of
from manifests.store.manifest import ManifestStore
from manifests.versions.policy_file import SelectionPolicy
from manifests.versions.selection import absent_names, commit_selection


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add POLICY.toml and V."""
    parser.add_argument("policy", type=Path, metavar="POLICY.toml", help="the policy that selects accepted rows")
    add_version(parser)


def run(options: argparse.Namespace) -> None:
    """Write the accepted rows that a policy selects, as a version under selections/."""
    policy = SelectionPolicy.read(options.policy)
    base = version_of(options)
    for line in absent_names(base, policy):
        print(f"warning: {options.policy}: {line}", file=sys.stderr)
    selection = commit_selection(ManifestStore(options.manifests), base, policy, name=options.policy.stem)
    print(f"{base.path}: {selection.counts['rows']:,} of {selection.parameters['accepted']:,} accepted rows selected")
    for key, count in selection.parameters["left_out"].items():
        print(f"  {key} = {policy.entries[key]} leaves out {count:,}")
    print(selection.path)
