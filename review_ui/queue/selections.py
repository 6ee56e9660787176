"""Selections of one version's queue: the rows that pass a filter, in the order to show them. Computed once, then kept.

Everything is a mask or an array of row numbers: a request at a million rows runs no Python loop over them. `of` is
slow the first time (columns are read, images are compared); callers run it outside the session's lock.

Gold samples and repeats. A gold sample is mixed into a filtered queue as into the whole one, with a doubt out of the
range shown; by source, gold of that source comes first. It has no teacher that anyone sees, so any teacher admits it.
Among images that all look alike (`group`, `like`) an unrelated one would give itself away: no gold is mixed in there. A
repeat must pass the filter like work.
"""

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import UserError
from manifests.store.manifest import Manifest
from review_ui.queue.messages import FilterChoices
from review_ui.queue.open_samples import Flags, ReviewQueue, Rows, short_ids
from review_ui.queue.queue_filter import REPEATED, BadFilter, QueueFilter

if TYPE_CHECKING:  # loaded on first use: ONNX Runtime and OpenCV take time
    from review_ui.queue.embedding.image_embeddings import EmbeddingProgress, ImageEmbeddings

LEAST_LIKENESS = 0.85  # cosine of look-alikes; measured on 1,400 photographs, see docs/review.md
DIVERSE = 1_000  # samples in the order of k-center; then the rest by doubt
DIVERSE_POOL = 20_000  # images that these are chosen from, a random part of those that pass: seconds instead of minutes
KEPT = 16  # selections of one version
QUANTILES = (0, 0.25, 0.5, 0.75, 1)
_OFFERED = 5  # values that an error lists


@dataclass(frozen=True, slots=True)
class Selection:
    """`rows` of the queue in order, the same as flags, and the sample_ids that gold is chosen from first.

    An order by images has the progress of the embedding, and the number of images that the order was made from.
    """

    rows: Rows
    passing: Flags
    gold_ids: frozenset[str] = frozenset()
    embedding: "EmbeddingProgress | None" = None
    embedded: int = 0


class Selections:
    """May be called from several threads."""

    def __init__(
        self, manifest: Manifest, queue: ReviewQueue, *, is_audit: bool = False, has_gold: bool = False
    ) -> None:
        self._manifest = manifest
        self._queue = queue
        self._is_audit = is_audit
        self._has_gold = has_gold
        self._kept: OrderedDict[tuple[QueueFilter, str], Selection] = OrderedDict()
        self._lock = threading.Lock()  # of what is kept; never held for long
        self._starting = threading.Lock()
        self._embeddings: ImageEmbeddings | None = None

    def of(self, wanted: QueueFilter, image_sha256: str = "") -> Selection:
        """The selection, computed unless a good one is kept; BadFilter for values that the version lacks.

        `image_sha256` is the image of the sample that `wanted.like` names.
        """
        kept = self.kept(wanted, image_sha256)
        selection = (kept and self._with_progress(wanted, kept)) or self._select(wanted, image_sha256)
        with self._lock:
            self._kept[wanted, image_sha256] = selection
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return selection

    def kept(self, wanted: QueueFilter, image_sha256: str = "") -> Selection | None:
        """The last selection computed for this filter, if it is still kept; never slow."""
        with self._lock:
            if (wanted, image_sha256) in self._kept:
                self._kept.move_to_end((wanted, image_sha256))
            return self._kept.get((wanted, image_sha256))

    def choices(self, reasons: dict[str, int]) -> FilterChoices:
        """Values to filter by among the samples that wait now; `reasons` are those of the second look."""
        self._check_order()
        waiting = self._queue.waiting_rows()
        doubt = self._doubt[waiting]
        doubt = doubt[~np.isnan(doubt)]
        return FilterChoices(
            sources=self._counts("source", waiting),
            teachers=self._counts("teacher", waiting),
            reasons=reasons,
            doubt=[round(float(value), 3) for value in np.quantile(doubt, QUANTILES)] if len(doubt) else [],
            groups=int(np.count_nonzero(np.bincount(self._groups[0][waiting]) > 1)) if waiting.any() else 0,
        )

    def close(self, *, wait: bool = True) -> None:
        """End the embedding of images; what is embedded is kept."""
        with self._starting:
            if self._embeddings:
                self._embeddings.close(wait=wait)

    def _with_progress(self, wanted: QueueFilter, kept: Selection) -> Selection | None:
        """The selection with the progress of now; None when enough was embedded since to make it again.

        That is any image for likeness, and twice as many or all for diversity.
        """
        if kept.embedding is None or kept.embedding.is_complete:
            return kept
        now = self._start_embeddings().progress()
        enough = kept.embedded + 1 if wanted.order == "likeness" else max(1, 2 * kept.embedded)
        return None if now.is_complete or now.done >= enough else replace(kept, embedding=now)

    def _select(self, wanted: QueueFilter, image_sha256: str) -> Selection:
        self._check_order()
        passing = self._passing(wanted)
        rows = np.flatnonzero(passing).astype(np.int32)
        if wanted.group == REPEATED:
            rows = self._group_by_group(rows)
        gold_ids = self._trusted_ids(wanted.sources) if self._has_gold and wanted.sources else frozenset()
        if not wanted.needs_embeddings:
            return Selection(rows, passing, gold_ids)
        embeddings = self._start_embeddings()
        progress = embeddings.progress()
        if wanted.order == "diversity":
            return Selection(self._diverse(rows, embeddings), passing, gold_ids, progress, progress.done)
        rows = self._alike(rows, embeddings, image_sha256)
        passing = np.zeros_like(passing)
        passing[rows] = True
        return Selection(rows, passing, gold_ids, progress, progress.done)

    def _check_order(self) -> None:
        if self._is_audit:
            raise BadFilter("expected no filter in an audit, whose order is random, found one; leave it out")

    def _passing(self, wanted: QueueFilter) -> Flags:
        passing = np.ones(len(self._queue), bool)
        for name, values in (("source", wanted.sources), ("teacher", wanted.teachers)):
            if values:
                codes, names = self._codes(name)
                passing &= np.isin(codes, [self._known(name, names, value) for value in values])
        if wanted.doubt is not None:
            low, high = np.asarray(wanted.doubt, np.float32)  # as the column: 0.9 is not 0.9f
            with np.errstate(invalid="ignore"):  # an unknown doubt is outside every range
                passing &= (self._doubt >= low) & (self._doubt <= high)
        if wanted.group:
            codes, names = self._groups
            if wanted.group == REPEATED:
                passing &= (np.bincount(codes, minlength=1) > 1)[codes]
            else:
                passing &= codes == self._known("group", names, wanted.group)
        return passing

    def _known(self, name: str, names: pa.Array, value: str) -> int:
        """The code of a value; BadFilter lists some that exist."""
        code: int = pc.index(names, pa.scalar(value, pa.string())).as_py()
        if code < 0:
            known = [text for text in names.slice(0, _OFFERED).to_pylist() if text is not None]
            offered = ", ".join(known) + (", ..." if len(names) > _OFFERED else "") or "none"
            raise BadFilter(
                f"expected a {name} under review in v{self._manifest.version} ({offered}), found {ascii(value)[:60]}; "
                "choose another"
            )
        return code

    def _group_by_group(self, rows: Rows) -> Rows:
        """Groups one after another, that of the first sample first; samples of a group in the queue's order."""
        codes = self._groups[0][rows]
        _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
        return rows[np.argsort(first[inverse], kind="stable")]

    def _diverse(self, rows: Rows, embeddings: "ImageEmbeddings") -> Rows:
        """The samples that k-center chooses, then the rest as they come."""
        from review_ui.queue.embedding.k_center import k_center

        images = self._images[0][rows]
        distinct, first = np.unique(images, return_index=True)  # the first sample of each image, ascending by digest
        usable = np.isin(distinct, embeddings.done(), assume_unique=True)
        pool, first = distinct[usable][:DIVERSE_POOL], first[usable][:DIVERSE_POOL]
        chosen = first[k_center(embeddings.take(pool), DIVERSE)]
        return np.concatenate([rows[chosen], np.delete(rows, chosen)])

    def _alike(self, rows: Rows, embeddings: "ImageEmbeddings", image_sha256: str) -> Rows:
        """Samples whose images look like this one, most alike first; samples of this image before all others."""
        try:
            wanted = embeddings.embed(image_sha256)
        except (UserError, OSError) as error:
            raise BadFilter(f"expected an image to compare with, found that it can't be opened: {error}") from error
        done = embeddings.done()
        closeness = np.full(len(self._images[1]) + 1, -1, np.float32)  # the last one is that of images left out
        closeness[done] = embeddings.closeness(done, wanted)
        itself = pc.index(self._images[1], pa.scalar(image_sha256, pa.string())).as_py()
        if itself >= 0:
            closeness[itself] = 2
        of_rows = closeness[self._images[0][rows]]
        close = np.flatnonzero(of_rows >= LEAST_LIKENESS)
        return rows[close[np.argsort(-of_rows[close], kind="stable")]]

    def _start_embeddings(self) -> "ImageEmbeddings":
        """The embeddings of all images that wait in the version; the first call starts to compute them."""
        with self._starting:
            if self._embeddings is None:
                from review_ui.queue.embedding.image_embeddings import ImageEmbeddings

                self._embeddings = ImageEmbeddings(self._images[1], self._manifest.data_root)
            return self._embeddings

    def _trusted_ids(self, sources: Sequence[str]) -> frozenset[str]:
        """The sample_ids of the trusted rows of these sources."""
        tables = [
            self._manifest.read(("sample_id",), only={"source": source, "origin": "ground_truth"}) for source in sources
        ]
        return frozenset(sample_id for table in tables for sample_id in table["sample_id"].to_pylist())

    def _counts(self, name: str, waiting: Flags) -> dict[str, int]:
        """Samples that wait, by value; values without any are left out."""
        codes, names = self._codes(name)
        counts = np.bincount(codes[waiting], minlength=len(names)).tolist()
        values = zip(names.to_pylist(), counts, strict=True)
        return dict(sorted((value, count) for value, count in values if value is not None and count))

    def _codes(self, name: str) -> tuple[Rows, pa.Array]:
        return self._sources if name == "source" else self._teachers

    @cached_property
    def _sources(self) -> tuple[Rows, pa.Array]:
        return self._encoded("source")

    @cached_property
    def _teachers(self) -> tuple[Rows, pa.Array]:
        return self._encoded("teacher")

    @cached_property
    def _groups(self) -> tuple[Rows, pa.Array]:
        return self._encoded("group_id")

    @cached_property
    def _doubt(self) -> npt.NDArray[np.float32]:
        """(rows,), NaN where it is unknown."""
        return self._queue.doubts()

    @cached_property
    def _images(self) -> tuple[Rows, pa.Array]:
        """The image of each row that waits in the version, as a place in the ascending digests; else their number."""
        pending = self._queue.has_status("pending")
        digests = self._queue.column("image_sha256").filter(pa.array(pending)).combine_chunks().dictionary_encode()
        order = np.argsort(short_ids(pa.chunked_array([digests.dictionary])), kind="stable")
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        images = np.full(len(pending), len(order), np.int32)
        images[pending] = rank[digests.indices.to_numpy()]
        return images, digests.dictionary.take(pa.array(order))

    def _encoded(self, name: str) -> tuple[Rows, pa.Array]:
        """A column of the manifest as codes in the queue's order, and the value of each code; null has one, too."""
        column = self._manifest.read((name,), encoded=(name,))[name].unify_dictionaries().combine_chunks()
        array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
        codes = pc.fill_null(array.indices, len(array.dictionary)).to_numpy()[self._queue.places]
        values = pa.concat_arrays([array.dictionary, pa.nulls(1, pa.string())])
        return codes.astype(np.int32), values
