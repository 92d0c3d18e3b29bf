"""How objects of other libraries are written into a digest, by the name of their class.

None of them is imported here: who has an object has imported its library.
"""

import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pyarrow as pa

from graft.data.fingerprint.arrow import write_columns
from graft.data.fingerprint.walk import Writer

_RANDOM = "Make it inside the function from a seed, so that every run draws the same numbers."
# Where a tokenizer was loaded from, and what a call leaves behind in it.
_NOT_OF_A_TOKENIZER = {"name_or_path", "init_kwargs", "init_inputs", "vocab_file", "_tokenizer"}
_NOT_OF_A_TOKENIZER |= {"deprecation_warnings"}
_known_rules: "WeakKeyDictionary[Any, bytes]" = WeakKeyDictionary()
_NOT_OF_A_MODEL = {"name_or_path", "warnings_issued"}
_NOT_OF_A_CONFIG = {"_name_or_path", "_commit_hash", "transformers_version"}


def _write_array(writer: Writer, array: Any) -> None:
    writer.text("array", f"{array.dtype.str} {array.dtype.descr} {array.shape}")
    if array.dtype.hasobject:
        writer.value(array.tolist())
    else:
        flat = np.ascontiguousarray(array).reshape(-1)
        writer.put("data", flat.view(np.uint8).data)


def _write_scalar(writer: Writer, scalar: Any) -> None:
    _write_array(writer, np.asarray(scalar))


def _write_tensor(writer: Writer, tensor: Any) -> None:
    torch = sys.modules["torch"]
    if tensor.device.type == "meta":
        raise writer.walk.refusal("a tensor without memory", "Load its values first.")
    dense = tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()
    if dense.is_quantized:
        writer.text("quantized", str(dense.qscheme()))
        dense = dense.dequantize()
    writer.text("tensor", f"{tensor.dtype} {tuple(tensor.shape)}")
    flat = dense.cpu().contiguous().reshape(-1).resolve_conj().resolve_neg()
    writer.put("data", memoryview(flat.view(torch.uint8).numpy()))


def _write_table(writer: Writer, table: Any) -> None:
    whole = pa.Table.from_batches([table]) if isinstance(table, pa.RecordBatch) else table
    writer.put("table", whole.schema.serialize().to_pybytes())
    write_columns(writer, whole.columns)


def _write_column(writer: Writer, column: Any) -> None:
    chunked = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
    writer.put("column", pa.schema([("", chunked.type)]).serialize().to_pybytes())
    write_columns(writer, [chunked])


def _write_arrow_scalar(writer: Writer, scalar: Any) -> None:
    _write_column(writer, pa.array([scalar.as_py()], scalar.type))


def _write_frame(writer: Writer, frame: Any) -> None:
    """A frame of pandas: its columns and its index, each with its name."""
    writer.value(["frame", list(frame.columns.names), list(frame.index.names)])
    writer.value(frame.index)
    for position, name in enumerate(frame.columns):
        writer.value(name)
        writer.at(f"column {name!r}", frame.iloc[:, position].array)


def _write_series(writer: Writer, series: Any) -> None:
    writer.value(["series", series.name])
    writer.value(series.index)
    writer.value(series.array)


def _write_pandas_array(writer: Writer, array: Any) -> None:
    writer.text("pandas", f"{type(array).__name__} {getattr(array, 'dtype', '')}")
    try:
        column = pa.array(array)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        writer.value(list(array))
    else:
        _write_column(writer, column)


def _write_index(writer: Writer, index: Any) -> None:
    writer.value([type(index).__name__, list(index.names)])
    if index.nlevels > 1:
        writer.value([index.get_level_values(level).array for level in range(index.nlevels)])
    else:
        _write_pandas_array(writer, index.array)


def _write_polars(writer: Writer, frame: Any) -> None:
    writer.value(frame.to_arrow())


def _write_graft_tokenizer(writer: Writer, tokenizer: Any) -> None:
    writer.put("rules", _rules_digest(tokenizer._rules))
    writer.put("config", _as_json(tokenizer.config))


def _rules_digest(rules: Any) -> bytes:
    """The digest of a tokenizer's rules, which never change: vocabularies are large."""
    found = _known_rules.get(rules)
    if found is None:
        found = hashlib.blake2b(_as_json(rules.spec), digest_size=16).digest()
        _known_rules[rules] = found
    return found


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, default=repr).encode("utf-8", "surrogatepass")


def _write_tokenizers(writer: Writer, tokenizer: Any) -> None:
    writer.text("rules", tokenizer.to_str())


def _write_transformers_tokenizer(writer: Writer, tokenizer: Any) -> None:
    """What decides its answers; not where it came from, nor how the last call cut and padded."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        rules = json.loads(backend.to_str())
        writer.put("rules", _as_json({**rules, "truncation": None, "padding": None}))
    state = {
        name: value
        for name, value in vars(tokenizer).items()
        if name not in _NOT_OF_A_TOKENIZER and not _is_place(value)
    }
    for name in sorted(state):
        writer.text("attribute", name)
        writer.at(f"attribute {name!r} of a tokenizer", state[name])


def _is_place(value: object) -> bool:
    return isinstance(value, str) and Path(value).is_absolute()


def _write_sentencepiece(writer: Writer, processor: Any) -> None:
    writer.put("model", processor.serialized_model_proto())


def _write_config(writer: Writer, config: Any) -> None:
    content = config.to_dict()
    known = {name: content[name] for name in content if name not in _NOT_OF_A_CONFIG}
    writer.put("config", _as_json(known))


def _write_transformers_model(writer: Writer, model: Any) -> None:
    state = vars(model)
    writer.value({name: state[name] for name in sorted(state) if name not in _NOT_OF_A_MODEL})


def _write_logger(writer: Writer, _: Any) -> None:
    """Loggers and consoles: what they write is nothing that a result is made of."""
    writer.put("logger")


def _refuse_connection(writer: Writer, value: Any) -> None:
    what = f"{type(value).__module__}.{type(value).__qualname__}"
    raise writer.walk.refusal(what, "Connect inside the function, and capture the address alone.")


def _refuse_random(writer: Writer, value: Any) -> None:
    kind = type(value)
    raise writer.walk.refusal(f"a {kind.__module__}.{kind.__qualname__}", _RANDOM)


KINDS: dict[str, Callable[[Writer, Any], None]] = {
    "numpy.ndarray": _write_array,
    "numpy.generic": _write_scalar,
    "numpy.dtype": lambda writer, value: writer.value(["dtype", value.descr, value.str]),
    "numpy.ufunc": lambda writer, value: writer.text("ufunc", value.__name__),
    "numpy.random._generator.Generator": _refuse_random,
    "numpy.random.mtrand.RandomState": _refuse_random,
    "numpy.random.bit_generator.BitGenerator": _refuse_random,
    "torch._C.Generator": _refuse_random,
    "torch.Tensor": _write_tensor,
    "torch._tensor.Tensor": _write_tensor,
    "torch.dtype": lambda writer, value: writer.text("dtype", str(value)),
    "torch.device": lambda writer, value: writer.text("device", str(value)),
    "pyarrow.lib.Table": _write_table,
    "pyarrow.lib.RecordBatch": _write_table,
    "pyarrow.lib.Array": _write_column,
    "pyarrow.lib.ChunkedArray": _write_column,
    "pyarrow.lib.Scalar": _write_arrow_scalar,
    "pyarrow.lib.DataType": lambda writer, value: writer.put(
        "type", pa.schema([("", value)]).serialize().to_pybytes()
    ),
    "pyarrow.lib.Field": lambda writer, value: writer.put(
        "field", pa.schema([value]).serialize().to_pybytes()
    ),
    "pyarrow.lib.Schema": lambda writer, value: writer.put(
        "schema", value.serialize().to_pybytes()
    ),
    "pandas.core.frame.DataFrame": _write_frame,
    "pandas.core.series.Series": _write_series,
    "pandas.core.indexes.base.Index": _write_index,
    "pandas.core.arrays.base.ExtensionArray": _write_pandas_array,
    "pandas.DataFrame": _write_frame,
    "pandas.Series": _write_series,
    "pandas.Index": _write_index,
    "pandas.api.extensions.ExtensionArray": _write_pandas_array,
    "polars.dataframe.frame.DataFrame": _write_polars,
    "polars.series.series.Series": _write_polars,
    "graft.data.dataset.Dataset": lambda writer, value: writer.text("rows", value.fingerprint),
    "graft.data.dataset_dict.DatasetDict": lambda writer, value: writer.value(dict(value)),
    # A report tells how a model was loaded, which is nothing that the model goes by.
    "graft.models.report.LoadReport": lambda writer, _: writer.put("report"),
    "graft.text.tokenizer.Tokenizer": _write_graft_tokenizer,
    "tokenizers.Tokenizer": _write_tokenizers,
    "transformers.tokenization_utils_base.PreTrainedTokenizerBase": _write_transformers_tokenizer,
    "sqlalchemy.engine.base.Engine": _refuse_connection,
    "sqlalchemy.orm.session.Session": _refuse_connection,
    "transformers.modeling_utils.PreTrainedModel": _write_transformers_model,
    "transformers.generation.configuration_utils.GenerationConfig": _write_config,
    "transformers.configuration_utils.PretrainedConfig": _write_config,
    "transformers.configuration_utils.PreTrainedConfig": _write_config,
    "sentencepiece.SentencePieceProcessor": _write_sentencepiece,
    "logging.Logger": _write_logger,
    "logging.LoggerAdapter": _write_logger,
    "rich.console.Console": _write_logger,
}
