"""`python -m manifests.bench`."""

from manifests.bench.measure import main
from manifests.cli.arguments import run_command

if __name__ == "__main__":
    run_command(main)
