"""A TFLite model under construction: one subgraph of tensors and operators, packed by LiteRT's own schema."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from trainer.inference.runtimes.packages import optional
from trainer.inference.runtimes.tflite_file import METADATA, SCHEMA

VERSION = 3  # of the schema
IDENTIFIER = b"TFL3"
ALIGNMENT_BYTES = 16  # of constants, by the schema
TYPES = {"float32": "FLOAT32", "float16": "FLOAT16", "int32": "INT32", "int8": "INT8"}


@dataclass(frozen=True, slots=True)
class Quantisation:
    """value = scale * (stored - zero_point); scales (1,), or (C,) along `axis`."""

    scales: npt.NDArray[np.float64]
    zero_point: int = 0
    axis: int = 0

    def stored(self, values: npt.NDArray[Any], dtype: type[np.signedinteger[Any]]) -> npt.NDArray[Any]:
        """The values as integers, clipped to the type's range."""
        shape = [1] * values.ndim
        if len(self.scales) > 1:
            shape[self.axis] = -1
        scaled = np.round(values / self.scales.reshape(shape)) + self.zero_point
        limits = np.iinfo(dtype)
        return scaled.clip(limits.min, limits.max).astype(dtype)


class TfliteGraph:
    """Tensors are named by their index, as TFLite's operators name them."""

    def __init__(self) -> None:
        self._schema = optional(SCHEMA)
        self._tensors: list[Any] = []
        self._operators: list[Any] = []
        self._codes: dict[int, int] = {}
        self._buffers: list[bytes] = [b""]  # the first one, empty, is that of all activations

    def activation(
        self, name: str, shape: Sequence[int], *, dtype: str = "float32", quantisation: Quantisation | None = None
    ) -> int:
        return self._tensor(name, shape, dtype, 0, quantisation)

    def constant(self, name: str, values: npt.NDArray[Any], *, quantisation: Quantisation | None = None) -> int:
        """`values` as they are stored: float32, float16, int32 or int8."""
        self._buffers.append(np.ascontiguousarray(values).tobytes())
        return self._tensor(name, values.shape, values.dtype.name, len(self._buffers) - 1, quantisation)

    def operator(
        self, kind: str, inputs: Sequence[int], output: int, *, options: str | None = None, **fields: object
    ) -> None:
        """Add a builtin operator; `options` is its table in the schema, and `fields` are its values there."""
        schema, code = self._schema, getattr(self._schema.BuiltinOperator, kind)
        operator = schema.OperatorT(
            opcodeIndex=self._codes.setdefault(code, len(self._codes)), inputs=list(inputs), outputs=[output]
        )
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")(**fields)
        self._operators.append(operator)

    def fuse(self, tensor: int, activation: str) -> bool:
        """Let the operator that computes the tensor apply the activation, too; False where it can't.

        LiteRT passes over the activation of other operators, a concatenation for one.
        """
        options: Any = next((entry.builtinOptions for entry in self._operators if entry.outputs == [tensor]), None)
        fusing = tuple(getattr(self._schema, f"{kind}OptionsT") for kind in ("Conv2D", "DepthwiseConv2D", "Pool2D"))
        activations = self._schema.ActivationFunctionType
        if not isinstance(options, fusing) or options.fusedActivationFunction != activations.NONE:
            return False
        options.fusedActivationFunction = getattr(activations, activation)
        return True

    def to_bytes(self, *, inputs: Mapping[str, int], outputs: Mapping[str, int], metadata: Mapping[str, str]) -> bytes:
        """The file; `inputs` and `outputs` give the signature's names to tensors."""
        schema = self._schema
        subgraph = schema.SubGraphT(
            tensors=self._tensors, operators=self._operators,
            inputs=list(inputs.values()), outputs=list(outputs.values()), name="main",
        )  # fmt: skip
        signature = schema.SignatureDefT(
            inputs=[schema.TensorMapT(name, index) for name, index in inputs.items()],
            outputs=[schema.TensorMapT(name, index) for name, index in outputs.items()],
            signatureKey="serving_default",
        )
        model = schema.ModelT(
            version=VERSION,
            operatorCodes=[
                schema.OperatorCodeT(deprecatedBuiltinCode=min(code, 127), builtinCode=code, version=1)
                for code in self._codes
            ],
            subgraphs=[subgraph],
            description=f"maskfoundry {metadata['code_version']}",
            buffers=[self._buffer(values) for values in (*self._buffers, json.dumps(dict(metadata)).encode())],
            metadata=[schema.MetadataT(METADATA, len(self._buffers))],
            signatureDefs=[signature],
        )
        import flatbuffers  # here: ai-edge-litert brings it, which only this target needs

        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), IDENTIFIER)
        return bytes(builder.Output())

    def _tensor(
        self, name: str, shape: Sequence[int], dtype: str, buffer: int, quantisation: Quantisation | None
    ) -> int:
        schema = self._schema
        tensor = schema.TensorT(
            shape=list(shape), type=getattr(schema.TensorType, TYPES[dtype]), buffer=buffer, name=name, hasRank=True
        )
        if quantisation is not None:
            tensor.quantization = schema.QuantizationParametersT(
                scale=quantisation.scales.astype(np.float32),
                zeroPoint=np.full(len(quantisation.scales), quantisation.zero_point, np.int64),
                quantizedDimension=quantisation.axis,
            )
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _buffer(self, values: bytes) -> Any:
        """A buffer that packs itself aligned; the schema's own would start anywhere."""
        schema = self._schema

        class Aligned(schema.BufferT):  # type: ignore[name-defined]
            def Pack(self, builder: Any) -> Any:  # noqa: N802
                builder.StartVector(1, len(values), ALIGNMENT_BYTES)
                builder.head = builder.head - len(values)
                builder.Bytes[builder.head : builder.head + len(values)] = values
                data = builder.EndVector()
                schema.BufferStart(builder)
                schema.BufferAddData(builder, data)
                return schema.BufferEnd(builder)

        return Aligned() if values else schema.BufferT()


def tflite_operations(path: Path) -> Iterator[str]:
    """The kind of each operator in the file, but for the restoring of weights, which runtimes do once."""
    schema = optional(SCHEMA)
    kinds = {code: kind for kind, code in vars(schema.BuiltinOperator).items() if kind.isupper()}
    model = schema.Model.GetRootAs(path.read_bytes())
    graph = model.Subgraphs(0)
    for i in range(graph.OperatorsLength()):
        operator = graph.Operators(i)
        kind = kinds[model.OperatorCodes(operator.OpcodeIndex()).BuiltinCode()]
        if kind != "DEQUANTIZE" or graph.Tensors(operator.Inputs(0)).Type() != schema.TensorType.FLOAT16:
            yield kind
