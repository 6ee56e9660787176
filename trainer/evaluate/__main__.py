"""`python -m trainer.evaluate`."""

from manifests.cli.arguments import run_command
from trainer.evaluate.evaluation import main

if __name__ == "__main__":
    run_command(main)
