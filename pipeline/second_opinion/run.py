"""Compare pending masks with a network's, commit the opinions, print the change."""

import logging
import sys

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from pipeline.labelling.destination import Destination
from pipeline.ordered_map import one_thread_an_item
from pipeline.second_opinion.opinions import Opinion, Unread, ask, commit_opinions, pending_rows
from pipeline.teachers import TeacherOptions, load_teacher

logger = logging.getLogger(__name__)

SURE_OF_REJECTION = 0.5  # threshold of the printed count


def ask_and_commit(destination: Destination, spec: str, options: TeacherOptions) -> None:
    """Write the version with the doubt after the opinions of the network `spec`; UserError when no mask can be read."""
    store, data_root = destination.open()
    network = load_teacher(spec, options)
    waiting = pending_rows(store.open(), network)
    print(f"asking {network.name} about {len(waiting)} pending mask(s)", file=sys.stderr)
    one_thread_an_item()
    answers = ask(network, waiting, BlobStore(data_root))
    opinions = [answer for answer in answers if isinstance(answer, Opinion)]
    for answer in answers:
        if isinstance(answer, Unread):
            logger.warning("skipped sample %s: %s", answer.sample_id, answer.reason)
    if not opinions:
        raise UserError(f"expected to read at least one of {len(waiting)} pending masks, found none; see above")
    manifest = commit_opinions(store, opinions, network=network)
    before = sum((row["doubt"] or 0.0) >= SURE_OF_REJECTION for row in waiting)
    after = sum(opinion.doubt >= SURE_OF_REJECTION for opinion in opinions)
    print(f"{len(opinions)} mask(s) compared; doubt of {SURE_OF_REJECTION} or more: {after}, before {before}")
    print((manifest or store.open()).path)
