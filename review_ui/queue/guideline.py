"""The labelling guideline: a page of Markdown that the lead edits, in the data root; a default comes with it."""

from pathlib import Path

from manifests.errors import UserError
from manifests.files.atomic import write_replace

FILE_NAME = "guideline.md"
DEFAULT = Path(__file__).parent / FILE_NAME
MAX_CHARACTERS = 20_000  # one screen has two thousand


class Guideline:
    """The guideline of the dataset with this data root."""

    def __init__(self, data_root: Path) -> None:
        self.path = data_root / FILE_NAME

    def text(self) -> str:
        """The Markdown; the default while the lead has written none. UserError for a file that is no UTF-8."""
        path = self.path if self.path.is_file() else DEFAULT
        try:
            return path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise UserError(f"expected UTF-8 text in {path}, found other bytes; save it as UTF-8") from error

    def html(self) -> str:
        """The text as HTML; HTML in it is shown as text, and links run no scripts."""
        from markdown_it import MarkdownIt  # here: it takes a tenth of a second

        html: str = MarkdownIt("js-default", {"html": False, "linkify": False}).render(self.text())
        return html

    def save(self, text: str) -> None:
        """Replace the file; an empty text brings the default back. UserError for a text that is too long."""
        if len(text) > MAX_CHARACTERS:
            raise UserError(f"expected a guideline of at most {MAX_CHARACTERS:,} characters, found {len(text):,}")
        if text.strip():
            write_replace(self.path, text.encode())
        else:
            self.path.unlink(missing_ok=True)
