"""The console of two processes: their lines and, below them on a terminal, one progress bar."""

import sys

from tqdm import tqdm

from manifests.store.labelling_runs import LabellingProgress


class Console:
    """Writes whole lines; the bar stays below them."""

    def __init__(self) -> None:
        self._bar: tqdm[None] | None = None

    def write(self, line: str, *, is_error: bool = False) -> None:
        """Write a line to standard output or standard error."""
        stream = sys.stderr if is_error else sys.stdout
        tqdm.write(line, file=stream)
        stream.flush()

    def show(self, progress: LabellingProgress | None) -> None:
        """Move the bar to this progress; None removes it."""
        if progress is None:
            if self._bar is not None:
                self._bar.close()
            self._bar = None
        elif self._bar is None:
            self._bar = tqdm(
                desc="labelling", total=progress.total, initial=progress.labelled, unit="img", disable=None,
                dynamic_ncols=True, leave=False,
            )  # fmt: skip
        else:
            self._bar.update(progress.labelled - self._bar.n)
