"""One run of a flow in this process; a wrong request is reported before Prefect starts."""

import os
import sys
from collections.abc import Mapping
from typing import Any, Literal

import httpx

from manifests.errors import UserError
from pipeline.labelling.commit import Generated
from pipeline.labelling.destination import Destination
from pipeline.labelling.relabel import Relabelled, find_samples
from pipeline.sources import find_pictures
from pipeline.teachers import load_teacher

# Messages of Prefect's client when there is no server to talk to; it raises RuntimeError for these, too.
NO_SERVER = ("Failed to reach API", "Timed out while attempting to connect to ephemeral Prefect API server")


def generate(parameters: Mapping[str, Any]) -> None:
    """Run generate-pseudo-labels with these parameters, and print the result."""
    find_pictures(parameters["images"], parameters["masks"])
    Destination(parameters["manifests"], parameters["data"]).open()
    if parameters["masks"]:
        print(f"cropping with {parameters['masks']}", file=sys.stderr)
    else:
        teacher = load_teacher(parameters["teacher"], parameters["options"])
        print(f"labelling with {teacher.name}", file=sys.stderr)
    generated: Generated = _run_flow("generate_pseudo_labels", parameters)
    print(generated)
    print(generated.manifest)


def relabel(parameters: Mapping[str, Any]) -> None:
    """Run relabel-samples with these parameters, and print the result; UserError without any new mask."""
    store, data_root = Destination(parameters["manifests"], parameters["data"]).open()
    samples = find_samples(store.open(), parameters["status"], data_root, keep_both=parameters["keep_both"])
    teacher = load_teacher(parameters["teacher"], parameters["options"])
    print(f"relabelling {len(samples)} {parameters['status']} sample(s) with {teacher.name}", file=sys.stderr)
    relabelled: Relabelled = _run_flow("relabel_samples", parameters)
    if relabelled.complaint:
        print(relabelled.complaint, file=sys.stderr)
    if relabelled.manifest is None:
        raise UserError(f"expected new masks by {teacher.name}, found {relabelled}; choose another --teacher")
    print(relabelled)
    print(relabelled.manifest)


def means_no_server(error: Exception) -> bool:
    """Whether Prefect's client raised this because no server answers."""
    return isinstance(error, httpx.TransportError) or str(error).startswith(NO_SERVER)


def _run_flow(name: Literal["generate_pseudo_labels", "relabel_samples"], parameters: Mapping[str, Any]) -> Any:
    """Run the flow in this process; UserError when Prefect's server can't be reached."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")  # run_command reports failures, in one line
    from pipeline import flows  # loads prefect, which reads the level on import

    try:
        return getattr(flows, name)(**parameters)
    except (RuntimeError, httpx.TransportError) as error:
        if not means_no_server(error):
            raise
        raise UserError(
            f"expected a Prefect server, found: {error}; start the one that PREFECT_API_URL names, or unset it and "
            "see that PREFECT_HOME (~/.prefect) is writable"
        ) from error
