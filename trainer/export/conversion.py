"""A checkpoint as ONNX, OpenVINO, ncnn, CoreML and TFLite files, compared with the checkpoint."""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import torch

from manifests.errors import UserError
from manifests.files.atomic import TEMPORARY_PREFIX
from trainer.export.coreml_package import check_coreml, write_coreml
from trainer.export.deployable import Deployable, deployable, side_multiple_px
from trainer.export.half import write_half
from trainer.export.merged_branches import merge_branches
from trainer.export.ncnn_network import write_ncnn
from trainer.export.onnx_graph import write_onnx
from trainer.export.onnx_prelu import rewrite_prelus
from trainer.export.openvino_model import write_openvino
from trainer.export.operation_counts import operation_counts
from trainer.export.parity import compare, probabilities
from trainer.export.photographs import Photographs, read_photographs
from trainer.export.quantise import write_int8
from trainer.export.report import REPORT_JSON, REPORT_MD, Exported, Report
from trainer.export.sinet_inference import InferenceSINet
from trainer.export.tflite.model import tflite_graph, write_int8_tflite, write_tflite
from trainer.inference.predictors import NetworkPredictor, open_predictor
from trainer.inference.runtimes.metadata import Metadata
from trainer.inference.runtimes.packages import require
from trainer.weights.checkpoint import Checkpoint, load_checkpoint
from trainer.weights.checkpoint_files import licence_of, name_of

PACKAGES = {  # that convert to each target
    "onnx": ("onnxscript",),
    "openvino": ("onnxscript", "openvino"),
    "ncnn": ("pnnx", "ncnn"),
    "coreml": ("coremltools",),
    "tflite": ("onnxscript", "ai_edge_litert"),
}


@dataclass(slots=True)
class ExportJob:
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

    @property
    def _graphs(self) -> Path:
        """The directory of files that are not published, apart from those of a network of any name."""
        path = self.directory / "graphs"
        path.mkdir(exist_ok=True)
        return path

    def onnx(self) -> Path:
        """The unpublished ONNX graph from which other files are made."""
        path = self._graphs / "graph.onnx"
        if not path.exists():
            write_onnx(self.network, path, self.metadata, dynamic_multiple_px=self.dynamic_multiple_px)
        return path

    def fixed_onnx(self) -> Path:
        """The unpublished ONNX graph whose sides are fixed."""
        if self.dynamic_multiple_px is None:
            return self.onnx()
        path = self._graphs / "fixed.onnx"
        write_onnx(self.network, path, self.metadata)
        return path

    def add(self, runtime: str, precision: str, *paths: Path) -> None:
        files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
        size_bytes = sum(file.stat().st_size for file in files if file.is_file())
        names = [path.name for path in paths]
        self.exports.append(Exported(runtime, precision, names, size_bytes, operation_counts(paths[0])))


def export_onnx(job: ExportJob) -> None:
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


def export_openvino(job: ExportJob) -> None:
    write_openvino(job.onnx(), job.path(".xml"), job.metadata)
    job.add("openvino", "fp32", job.path(".xml"), job.path(".bin"))


def export_ncnn(job: ExportJob) -> None:
    write_ncnn(job.network, job.path(".ncnn.param"), job.metadata)
    job.add("ncnn", "fp32", *(job.path(f".ncnn.{ending}") for ending in ("param", "bin", "json")))


def export_coreml(job: ExportJob) -> None:
    write_coreml(job.network, job.path(".mlpackage"), job.metadata)
    job.add("coreml", "fp32", job.path(".mlpackage"))


def export_tflite(job: ExportJob) -> None:
    graph = tflite_graph(job.fixed_onnx())
    if "fp32" in job.precisions:
        write_tflite(graph, job.path(".tflite"), job.metadata)
        job.add("tflite", "fp32", job.path(".tflite"))
    if "fp16" in job.precisions:
        write_tflite(graph, job.path("-fp16.tflite"), job.metadata, half=True)
        job.add("tflite", "fp16", job.path("-fp16.tflite"))
    if "int8" in job.precisions:
        assert job.photographs is not None
        write_int8_tflite(graph, job.path("-int8.tflite"), job.metadata, job.photographs.calibrating)
        job.add("tflite", "int8", job.path("-int8.tflite"))


TARGETS: dict[str, Callable[[ExportJob], None]] = {
    "onnx": export_onnx,
    "openvino": export_openvino,
    "ncnn": export_ncnn,
    "coreml": export_coreml,
    "tflite": export_tflite,
}


def export_checkpoint(
    path: Path,
    targets: Sequence[str],
    output: Path,
    *,
    precisions: Sequence[str] = ("fp32",),
    name: str | None = None,
    licence: str | None = None,
    side_px: int | None = None,
    dynamic: bool = False,
    fewest_operations: bool = False,
    manifest: Path | None = None,
    data_root: Path | None = None,
    compared: int = 100,
) -> None:
    """Convert the checkpoint at `path` into `output`, compare the exports with it on photographs, and report.

    UserError when a package is missing, `output` holds other files, a network whose branches to merge is no SINet, or
    a conversion fails; nothing is published then.
    """
    for target in targets:
        for package in PACKAGES[target]:
            require(package)
    checkpoint = load_checkpoint(path)
    name = name or name_of(path)
    _check_output(output, name)
    photographs = None
    if manifest:
        photographs = read_photographs(manifest, data_root=data_root, count=compared, calibrate="int8" in precisions)
    input_px = side_px or checkpoint.info.preprocessing.size_px
    metadata = Metadata.of(checkpoint, name=name, input_px=input_px, licence=licence or licence_of(path))
    multiple = side_multiple_px(checkpoint) if dynamic else None
    network = deployable(checkpoint)
    if fewest_operations:
        _merge_branches(network, metadata)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=TEMPORARY_PREFIX) as directory:
        job = ExportJob(network, metadata, Path(directory), photographs, precisions, multiple)
        for target in targets:
            print(f"converting to {target}", flush=True)
            TARGETS[target](job)
        report = measured(job, checkpoint)
        report.write(job.directory)
        publish(job, output)
    print(report.markdown())
    print(output)


def measured(job: ExportJob, checkpoint: Checkpoint) -> Report:
    """Report on the job's exports: parity where their runtime runs here, else what their checker reads."""
    cpu, photographs = torch.device("cpu"), job.photographs.compared if job.photographs else []
    torch.set_num_threads(1)  # on busy cores, threads that wait for each other take minutes
    preprocessing = replace(checkpoint.info.preprocessing, size_px=job.metadata.input_px)
    reference = NetworkPredictor(checkpoint.model, preprocessing, cpu, checkpoint.weights_sha256)
    expected = probabilities(reference, photographs)
    exports = []
    for export in job.exports:
        path = job.directory / export.files[0]
        if export.runtime == "coreml":
            exports.append(replace(export, checked=check_coreml(path, job.metadata)))
            continue
        predictor = open_predictor(path, cpu, threads=1)  # fails for an unusable file, without photographs too
        parity = compare(probabilities(predictor, photographs), expected, photographs) if photographs else None
        exports.append(replace(export, parity=parity))
    return Report(
        job.metadata,
        _versions(job.exports),
        exports,
        job.photographs.manifest if job.photographs else None,
        len(photographs),
        compare(expected, expected, photographs) if photographs else None,
    )


def publish(job: ExportJob, output: Path) -> None:
    """Move the exports and the report into `output`, replacing an earlier export's."""
    names = [name for export in job.exports for name in export.files]
    for name in (*names, REPORT_JSON, REPORT_MD):
        target = output / name
        if target.is_dir():
            shutil.rmtree(target)
        (job.directory / name).replace(target)


def _merge_branches(network: Deployable, metadata: Metadata) -> None:
    if not isinstance(network.body, InferenceSINet):
        raise UserError(
            f"expected a SINet, whose branches can be merged, found {metadata.model}; leave out --fewest-operations"
        )
    merge_branches(network.body)


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
    """Versions of the packages used."""
    runtimes = {export.runtime: export for export in exports}
    packages = {"torch", "onnxruntime"} if "onnxruntime" in runtimes else {"torch"}
    for runtime in runtimes:
        packages.update(PACKAGES["onnx" if runtime == "onnxruntime" else runtime])
    return {package: version(package) for package in sorted(packages)}
