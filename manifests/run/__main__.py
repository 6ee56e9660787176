"""`python -m manifests.run`: label images, and review their masks meanwhile on a page of this machine.

It runs `python -m pipeline.generate --commit-parts` and `python -m review_ui --wait`. Ctrl-C stops both; what is
labelled and decided is kept, and the same command goes on.
"""

import argparse
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from manifests.cli import doctor
from manifests.cli.arguments import CommandParser, run_command
from manifests.errors import UserError
from manifests.files.storage import place, require_local
from manifests.run.console import Console
from manifests.run.processes import Interruptions, LabellingAndPage
from manifests.store.labelling_runs import LabellingRuns
from manifests.web.address import port
from manifests.web.browser import open_browser

SAMPLE = "data/sample"  # a portrait that a package brings


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    for path in filter(None, (options.manifests, options.data)):
        require_local(path, "manifests.run")
    _check_machine(options)
    images = options.images or _sample()
    places = ["--manifests", str(options.manifests), *(["--data", str(options.data)] if options.data else [])]
    teacher = ["--teacher", options.teacher] if options.teacher else []
    console, interruptions = Console(), Interruptions()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # the processes of other sessions must not stay
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, interruptions.note)
    both = LabellingAndPage(console, interruptions, on_open=(lambda _: None) if options.no_browser else open_browser)
    is_labelled = False
    try:
        both.start(
            ["--images", images, *teacher, "--commit-parts", *places],
            ["--wait", "--port", str(options.port), "--no-browser", *places],
        )
        both.watch_labelling(LabellingRuns(options.manifests))
        is_labelled = True
        console.write(_next_step(options.manifests))
        both.watch_page()
    except KeyboardInterrupt as interruption:
        console.show(None)
        if not is_labelled:
            console.write("stopping when the images at work are done; Ctrl-C again stops at once", is_error=True)
        conclusion = both.stop()
        if is_labelled:
            console.write("stopped: decisions are kept; the same command opens the page again", is_error=True)
            return
        text = conclusion or "stopped before all was labelled; run the same command again to go on"
        raise KeyboardInterrupt(text) from interruption
    except UserError:
        conclusion = both.stop()
        if conclusion.startswith("stopped: "):  # what the labelling keeps, where the page failed
            console.write(conclusion, is_error=True)
        raise
    finally:
        both.stop()


def _check_machine(options: argparse.Namespace) -> None:
    """Raise UserError where something that both processes need is missing, such as a free port."""
    wanted = {"manifests": options.manifests, "data": options.data, "port": options.port}
    try:
        doctor.run(argparse.Namespace(**wanted, host="127.0.0.1", quiet=True))
    except UserError as error:
        other = options.port + 1
        raise UserError(f"{error}; another port: --port {other}, or make run PORT={other}") from error


def _sample() -> str:
    """Write the sample portrait, and return its directory."""
    command = [sys.executable, "-m", "pipeline.sample", "--output", SAMPLE]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise UserError(f"expected to write a sample portrait to {SAMPLE}, found the error above; give --images")
    return done.stdout.splitlines()[-1]


def _next_step(manifests: Path) -> str:
    python = Path(sys.executable)
    shown = python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python
    return (
        "next: judge the masks on the page, press Publish, and fit a student in another terminal:\n"
        f"  {shown} -m trainer.fit --init starter --manifest {manifests}/vN.parquet   (N: the version Publish names)"
    )


def _parser() -> argparse.ArgumentParser:
    parser = CommandParser("python -m manifests.run", description=__doc__, example="--images ~/Pictures")
    add = parser.add_argument
    add("--images", help="directory, glob or file; URL, tar or list of URLs (default: a sample portrait)")
    add("--teacher", help="as of pipeline.generate (default: starter)")
    add("--manifests", type=place, default=Path("manifests"), help="directory of the versions (default: %(default)s)")
    add("--data", type=place, help="data root (default: the directory data beside the manifests)")
    add("--port", type=port, default=7860, help="the page's port (default: %(default)s)")
    add("--no-browser", action="store_true", help="don't open a browser window")
    return parser


if __name__ == "__main__":
    run_command(main)
