"""`python -m trainer.bench`."""

from manifests.cli.arguments import run_command
from trainer.bench.training import main

if __name__ == "__main__":
    run_command(main)
