"""One run in this process; a wrong request is reported before labelling starts.

The run is a Prefect flow where Prefect's settings name a server (PREFECT_API_URL), and where a Dask or Ray cluster
labels. Otherwise Prefect would start a server for it alone, which takes longer than labelling a folder of photographs.
"""

import logging
import sys
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, Literal

import httpx

from manifests.errors import UserError
from manifests.files.blobs import BlobStore
from manifests.store.labelling_runs import announced
from pipeline.labelling.commit import Generated, commit_shards
from pipeline.labelling.destination import Destination
from pipeline.labelling.relabel import Relabelled, commit_relabelled, find_samples
from pipeline.labelling.report import Labelled, masks_sheet, sheet_path, write_sheet
from pipeline.run import progress_bar
from pipeline.run.here import label_here
from pipeline.run.part_commits import PartCommits
from pipeline.run.plan import GenerateRequest, Plan, RelabelRequest, plan_labels, plan_new_masks
from pipeline.run.prefect_settings import names_a_server, silence_prefect
from pipeline.run.runners import Execution, check_execution
from pipeline.sources import find_pictures, unread_files
from pipeline.teachers import load_teacher

logger = logging.getLogger(__name__)

# Messages of Prefect's client when there is no server to talk to; it raises RuntimeError for these, too.
NO_SERVER = ("Failed to reach API", "Timed out while attempting to connect to ephemeral Prefect API server")


def generate(parameters: Mapping[str, Any]) -> None:
    """Make portraits with masks by the parameters of the flow generate-pseudo-labels, and print the result."""
    find_pictures(parameters["images"], parameters["masks"])
    Destination(parameters["manifests"], parameters["data"]).open()
    if parameters["masks"]:
        print(f"cropping with {parameters['masks']}", file=sys.stderr)
    else:
        teacher = load_teacher(parameters["teacher"], parameters["options"])
        print(f"labelling with {teacher.name}", file=sys.stderr)
    if unread := unread_files(parameters["images"]):
        print(f"left out: {unread}", file=sys.stderr)
    in_flow = _wants_prefect(parameters["runner"])
    generated = _generate_in_flow(parameters) if in_flow else _generate_here(parameters)
    print(generated)
    if generated.sheet:
        print(f"contact sheet of the masks: {generated.sheet}")
    print(generated.manifest)


def relabel(parameters: Mapping[str, Any]) -> None:
    """Make new masks by the parameters of the flow relabel-samples, and print the result; UserError without any."""
    store, data_root = Destination(parameters["manifests"], parameters["data"]).open()
    samples = find_samples(store.open(), parameters["status"], data_root, keep_both=parameters["keep_both"])
    teacher = load_teacher(parameters["teacher"], parameters["options"])
    print(f"relabelling {len(samples)} {parameters['status']} sample(s) with {teacher.name}", file=sys.stderr)
    in_flow = _wants_prefect(parameters["runner"])
    relabelled: Relabelled = _run_flow("relabel_samples", parameters) if in_flow else _relabel_here(parameters)
    if relabelled.complaint:
        print(relabelled.complaint, file=sys.stderr)
    if relabelled.manifest is None:
        raise UserError(f"expected new masks by {teacher.name}, found {relabelled}; choose another --teacher")
    print(relabelled)
    print(relabelled.manifest)


def means_no_server(error: Exception) -> bool:
    """Whether Prefect's client raised this because no server answers."""
    return isinstance(error, httpx.TransportError) or str(error).startswith(NO_SERVER)


def _wants_prefect(runner: str) -> bool:
    """Whether the run is a Prefect flow: a cluster labels, or Prefect's settings name a server."""
    return runner != "thread" or names_a_server()


def _generate_in_flow(parameters: Mapping[str, Any]) -> Generated:
    """Run the flow generate-pseudo-labels, whose shards may end in any order: it commits one version."""
    if parameters["commit_parts"]:
        print("with Prefect a run commits one version, at its end: --commit-parts is ignored", file=sys.stderr)
    others = {name: value for name, value in parameters.items() if name != "commit_parts"}
    generated: Generated = _run_flow("generate_pseudo_labels", others)
    return generated


def _generate_here(parameters: Mapping[str, Any]) -> Generated:
    """The flow generate-pseudo-labels without Prefect."""
    request = GenerateRequest(**_of(GenerateRequest, parameters))
    plan = plan_labels(request, _execution(parameters), Destination(parameters["manifests"], parameters["data"]))
    parts = PartCommits(plan) if parameters["commit_parts"] else None
    with announced(plan.store.root, plan.images, progress_bar.counts):
        labelled = label_here(plan, parts)
        generated = commit_shards(
            labelled.results, plan.store, plan.job.data_root, parameters=plan.parameters,
            added_before=parts.samples_added if parts else 0,
        )  # fmt: skip
    return replace(generated, sheet=_sheet(labelled, plan))


def _relabel_here(parameters: Mapping[str, Any]) -> Relabelled:
    """The flow relabel-samples without Prefect."""
    request = RelabelRequest(**_of(RelabelRequest, parameters))
    plan = plan_new_masks(request, _execution(parameters), Destination(parameters["manifests"], parameters["data"]))
    return commit_relabelled(
        label_here(plan).results,
        plan.store,
        plan.job.data_root,
        version=plan.version,
        status=request.status,
        parameters=plan.parameters,
        keep_both=request.keep_both,
    )


def _of(request: type, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that are fields of the request."""
    return {field.name: parameters[field.name] for field in fields(request)}


def _execution(parameters: Mapping[str, Any]) -> Execution:
    """The parameters' execution; UserError where its options don't fit together."""
    execution = Execution(**_of(Execution, parameters))
    check_execution(execution)
    return execution


def _sheet(labelled: Labelled, plan: Plan[Any]) -> str | None:
    """Path of the run's contact sheet, made unless it exists; None, with a warning, where it can't be made."""
    results, data_root = labelled.results, plan.job.data_root
    path = sheet_path(results, data_root)
    try:
        if not path.is_file():
            write_sheet(masks_sheet(results, BlobStore(data_root)), results, data_root)
    except (UserError, OSError) as error:
        logger.warning("expected to write a contact sheet of the masks, found: %s", error)
        return None
    return str(path)


def _run_flow(name: Literal["generate_pseudo_labels", "relabel_samples"], parameters: Mapping[str, Any]) -> Any:
    """Run the flow in this process; UserError when Prefect's server can't be reached."""
    silence_prefect()
    from pipeline import flows  # loads prefect

    try:
        return getattr(flows, name)(**parameters)
    except KeyboardInterrupt as interruption:
        text = "stopped: labelled images are kept; run the same command again to go on"
        raise KeyboardInterrupt(text) from interruption
    except (RuntimeError, httpx.TransportError) as error:
        if not means_no_server(error):
            raise
        raise UserError(
            f"expected a Prefect server, found: {error}; start the one that PREFECT_API_URL names, or unset it and "
            "see that PREFECT_HOME (~/.prefect) is writable"
        ) from error
