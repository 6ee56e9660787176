"""`python -m trainer.export`: a checkpoint as ONNX, OpenVINO, ncnn and CoreML files, compared with the checkpoint."""

import argparse
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import torch

from manifests.cli.arguments import positive, run_command
from manifests.errors import UserError
from manifests.files.atomic import TEMPORARY_PREFIX
from trainer.export.coreml_package import check_coreml, write_coreml
from trainer.export.deployable import Deployable, deployable, side_multiple_px
from trainer.export.half import write_half
from trainer.export.ncnn_network import write_ncnn
from trainer.export.onnx_graph import write_onnx
from trainer.export.onnx_prelu import rewrite_prelus
from trainer.export.openvino_model import write_openvino
from trainer.export.parity import compare, probabilities
from trainer.export.photographs import Photographs, read_photographs
from trainer.export.quantise import write_int8
from trainer.export.report import REPORT_JSON, REPORT_MD, Exported, Report
from trainer.inference.predictors import NetworkPredictor, open_predictor
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.packages import require
from trainer.weights.checkpoint import (
    LICENCE_NOT_STATED,
    STARTER,
    Checkpoint,
    checkpoint_path,
    licence_of,
    load_checkpoint,
    name_of,
)

COMPARED = 100
PRECISIONS = ("fp32", "fp16", "int8")
PACKAGES = {  # of each target, what it is converted with
    "onnx": ("onnxscript",),
    "openvino": ("onnxscript", "openvino"),
    "ncnn": ("pnnx", "ncnn"),
    "coreml": ("coremltools",),
}


@dataclass(slots=True)
class Job:
    """One checkpoint on its way into `directory`, where all files are written before any is published."""

    network: Deployable
    metadata: Metadata
    directory: Path
    photographs: Photographs | None
    precisions: Sequence[str]
    dynamic_multiple_px: int | None
    exports: list[Exported] = field(default_factory=list)

    def path(self, ending: str) -> Path:
        return self.directory / f"{self.metadata.checkpoint}{ending}"

    def onnx(self) -> Path:
        """The ONNX graph from which others are made; it isn't published."""
        path = self.directory / "graph.onnx"
        if not path.exists():
            write_onnx(self.network, path, self.metadata, dynamic_multiple_px=self.dynamic_multiple_px)
        return path

    def add(self, runtime: str, precision: str, *paths: Path) -> None:
        found = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        size_bytes = sum(file.stat().st_size for file in found if file.is_file())
        self.exports.append(Exported(runtime, precision, [path.name for path in paths], size_bytes))


def export_onnx(job: Job) -> None:
    graph = job.onnx()
    if "fp32" in job.precisions:
        rewrite_prelus(graph, job.path(".onnx"))
        job.add("onnxruntime", "fp32", job.path(".onnx"))
    if "fp16" in job.precisions:
        write_half(graph, job.path("-fp16.onnx"))
        job.add("onnxruntime", "fp16", job.path("-fp16.onnx"))
    if "int8" in job.precisions:
        assert job.photographs is not None
        write_int8(graph, job.path("-int8.onnx"), job.metadata, job.photographs.calibrating)
        job.add("onnxruntime", "int8", job.path("-int8.onnx"))


def export_openvino(job: Job) -> None:
    write_openvino(job.onnx(), job.path(".xml"), job.metadata)
    job.add("openvino", "fp32", job.path(".xml"), job.path(".bin"))


def export_ncnn(job: Job) -> None:
    write_ncnn(job.network, job.path(".ncnn.param"), job.metadata)
    job.add("ncnn", "fp32", *(job.path(f".ncnn.{ending}") for ending in ("param", "bin", "json")))


def export_coreml(job: Job) -> None:
    write_coreml(job.network, job.path(".mlpackage"), job.metadata)
    job.add("coreml", "fp32", job.path(".mlpackage"))


TARGETS: dict[str, Callable[[Job], None]] = {
    "onnx": export_onnx,
    "openvino": export_openvino,
    "ncnn": export_ncnn,
    "coreml": export_coreml,
}


def main(arguments: Sequence[str]) -> None:
    options = _parse(arguments)
    _check_choices(options)
    checkpoint = load_checkpoint(options.checkpoint)
    info, name = checkpoint.info, options.name or name_of(options.checkpoint)
    _check_output(options.output, name)
    photographs = None
    if options.manifest:
        calibrate = "int8" in options.precision
        photographs = read_photographs(
            options.manifest, data_root=options.data, count=options.compare, calibrate=calibrate
        )
    licence = options.licence or licence_of(options.checkpoint)
    side_px = options.size or info.preprocessing.size_px
    metadata = Metadata.of(checkpoint, name=name, input_px=side_px, licence=licence)
    multiple = side_multiple_px(checkpoint) if options.dynamic else None
    options.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.output, prefix=TEMPORARY_PREFIX) as directory:
        job = Job(deployable(checkpoint), metadata, Path(directory), photographs, options.precision, multiple)
        for target in options.to:
            print(f"converting to {target}", flush=True)
            TARGETS[target](job)
        report = measured(job, checkpoint)
        report.write(job.directory)
        publish(job, options.output)
    print(report.markdown())
    print(options.output)


def measured(job: Job, checkpoint: Checkpoint) -> Report:
    """The report on what lies in the job's directory: parity where a runtime runs here, else what its checker reads."""
    cpu, taken = torch.device("cpu"), job.photographs.compared if job.photographs else []
    torch.set_num_threads(1)  # threads that wait for each other take minutes where others use the cores, too
    preprocessing = replace(checkpoint.info.preprocessing, size_px=job.metadata.input_px)
    reference = NetworkPredictor(checkpoint.model, preprocessing, cpu, checkpoint.weights_sha256)
    expected = probabilities(reference, taken)
    exports = []
    for export in job.exports:
        path = job.directory / export.files[0]
        if export.runtime == "coreml":
            exports.append(replace(export, checked=check_coreml(path, job.metadata)))
            continue
        predictor = open_predictor(
            path, cpu, threads=1
        )  # whatever can't be opened is found here, without photographs too
        parity = compare(probabilities(predictor, taken), expected, taken) if taken else None
        exports.append(replace(export, parity=parity))
    return Report(
        job.metadata,
        _versions(job.exports),
        exports,
        job.photographs.manifest if job.photographs else None,
        len(taken),
        compare(expected, expected, taken) if taken else None,
    )


def publish(job: Job, output: Path) -> None:
    """Move the exports and the report into `output`, in the place of an earlier export's."""
    names = [name for export in job.exports for name in export.files]
    for name in (*names, REPORT_JSON, REPORT_MD):
        target = output / name
        if target.is_dir():
            shutil.rmtree(target)
        (job.directory / name).replace(target)


def _check_choices(options: argparse.Namespace) -> None:
    """Before anything slow is done."""
    if options.precision != ["fp32"] and "onnx" not in options.to:
        raise UserError(f"expected onnx in --to for --precision {' '.join(options.precision)}, found none; add it")
    if "int8" in options.precision and not options.manifest:
        raise UserError("expected --manifest with photographs to calibrate int8 with, found none; add one")
    if "int8" in options.precision and options.dynamic:
        raise UserError("expected --precision int8 without --dynamic, found both; export it on its own")
    for target in options.to:
        for package in PACKAGES[target]:
            require(package)


def _check_output(output: Path, name: str) -> None:
    if output.exists() and not output.is_dir():
        raise UserError(f"expected a folder for --output, found a file at {output}; name another")
    ours = (REPORT_JSON, REPORT_MD)
    others = [
        path.name
        for path in (sorted(output.iterdir()) if output.is_dir() else [])
        if path.name not in ours and not path.name.startswith((f"{name}.", f"{name}-", TEMPORARY_PREFIX))
    ]
    if others:
        raise UserError(
            f"expected a new folder, or one with exports of {name}, for --output, found {others[0]} in {output}; "
            "name another folder"
        )


def _versions(exports: Sequence[Exported]) -> dict[str, str]:
    """Of the packages that took part."""
    runtimes = {export.runtime: export for export in exports}
    packages = {"torch", "onnxruntime"} if "onnxruntime" in runtimes else {"torch"}
    for runtime in runtimes:
        packages.update(PACKAGES["onnx" if runtime == "onnxruntime" else runtime])
    return {package: version(package) for package in sorted(packages)}


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m trainer.export", description=__doc__)
    parser.add_argument(
        "--checkpoint", type=checkpoint_path, required=True, metavar="PATH",
        help=f"a .safetensors file, a run's directory, or {STARTER}",
    )  # fmt: skip
    parser.add_argument("--to", nargs="+", choices=TARGETS, required=True, help="formats, one or more")
    parser.add_argument("--output", type=Path, required=True, help="a new folder, or one of an earlier export")
    parser.add_argument("--name", help="of the files (default: the run's)")
    parser.add_argument(
        "--precision", nargs="+", choices=PRECISIONS, default=["fp32"],
        help="of the ONNX files; int8 needs --manifest (default: fp32)",
    )  # fmt: skip
    parser.add_argument("--size", type=positive, metavar="PX", help="side of the input (default: the checkpoint's)")
    parser.add_argument(
        "--dynamic", action="store_true", help="batch, height and width are free in ONNX and OpenVINO (default: fixed)"
    )
    parser.add_argument("--manifest", type=Path, help="manifests/v<N>.parquet: photographs to compare on")
    parser.add_argument(
        "--compare", type=positive, default=COMPARED, metavar="N", help="how many of them (default: %(default)s)"
    )
    parser.add_argument("--data", type=Path, help="data root (default: the one the manifest records)")
    parser.add_argument("--licence", help=f"of the weights, for the metadata (default: {LICENCE_NOT_STATED})")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    run_command(main)
