"""`python -m trainer.fit`."""

from manifests.cli.arguments import run_command
from trainer.fit.loop import main

if __name__ == "__main__":
    run_command(main)
