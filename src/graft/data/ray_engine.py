"""Work on Ray Data: blocks of rows computed by a cluster, given back in their order.

Ray is told block numbers; what is to be done, and the rows, are in its object store once. Rows in
mapped files are told by path, so that processes on other machines need to see the cache's folder
(`GRAFT_CACHE`) under the same path; rows in memory are sent.
"""

from collections.abc import Generator
from contextlib import closing
from importlib.util import find_spec
from typing import Any, Literal

import pyarrow as pa

from graft.data.workers import Work, packed, packed_error, unpacked
from graft.errors import DataError

Engine = Literal["local", "ray"]

_MISSING = "engine='ray' needs Ray Data. Install it: pip install 'graft-nlp[ray]'."
# So often a block is begun again whose process ended: Ray itself would go on for ever.
_ATTEMPTS = 3
_BLOCK, _ROWS = "block", "rows"
# What a process of Ray's works at, by its reference: taken out of the store once, not per block.
_known: dict[str, Work] = {}


def check_engine(engine: str, num_proc: int = 1) -> None:
    """Raises `DataError` where the engine is not there, or has no use for `num_proc`."""
    if engine not in ("local", "ray"):
        raise DataError(f"engine={engine!r}: give 'local' or 'ray'.")
    if engine == "ray":
        if num_proc != 1:
            raise DataError(
                f"num_proc={num_proc} and engine='ray': Ray itself knows how many processes there "
                "are. Leave num_proc out."
            )
        if find_spec("ray") is None:
            raise DataError(_MISSING)


def in_order_by_ray(work: Work, blocks: int) -> Generator[list[pa.RecordBatch]]:
    """`work(0)`, `work(1)`, ... up to `blocks`, computed by Ray Data.

    Where Ray was not started (`ray.init`), it is: on the cluster of `RAY_ADDRESS`, or else with as
    many processes as this machine has processors. `work` is pickled, with all that it captured.

    Raises:
        DataError: As `work` raised it, naming the original error; or Ray failed, or could not
            pickle `work`.
    """
    ray = _ray()
    if not ray.is_initialized():
        ray.init(logging_level="WARNING")
    try:
        reference = ray.put(work)
    except Exception as error:  # a user's object may fail in any way when it is pickled
        raise DataError(
            f"engine='ray': the function, or something that it uses, cannot be sent to other "
            f"processes ({type(error).__name__}: {str(error).splitlines()[0]}). Make what it needs "
            "inside the function."
        ) from error
    with closing(_results(ray, reference, blocks)) as results:
        yield from results


def _results(ray: Any, reference: Any, blocks: int) -> Generator[list[pa.RecordBatch]]:
    attempts = ray.remote(num_cpus=0)(_Attempts).remote()
    plan = ray.data.from_items(range(blocks), override_num_blocks=blocks).map_batches(
        _done,
        fn_args=([reference], attempts),
        batch_size=1,
        batch_format="pyarrow",
    )
    plan.context.execution_options.preserve_order = True
    plan.context.enable_progress_bars = False
    made = plan.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)
    expected = 0
    for table in _explained(ray, made):
        numbers, messages = table[_BLOCK].to_pylist(), table[_ROWS]
        for number, message in zip(numbers, messages, strict=True):
            if number != expected:
                raise DataError(
                    f"engine='ray': Ray gave block {number} of the rows where {expected} was "
                    "expected. Use a version of Ray that keeps their order (preserve_order)."
                )
            yield unpacked(message.as_py())
            expected += 1


def _explained(ray: Any, made: Any) -> Generator[pa.Table]:
    """What Ray makes; its own failures, such as a process that ended, as errors of ours."""
    results = iter(made)
    while True:
        try:
            table = next(results)
        except StopIteration:
            return
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            raise DataError(
                f"engine='ray': Ray could not compute the rows: {type(error).__name__}: "
                f"{lines[-1] if lines else ''}"
            ) from error
        yield table


class _Attempts:
    """Counts, in a process of its own, how often each block was begun."""

    def __init__(self) -> None:
        self._begun: dict[int, int] = {}

    def begin(self, block: int) -> int:
        """How often this block has been begun, this time included."""
        self._begun[block] = self._begun.get(block, 0) + 1
        return self._begun[block]


def _done(numbers: pa.Table, references: list[Any], attempts: Any) -> pa.Table:
    """Does a block in a process of Ray's: its rows, or its error, as bytes that keep all types."""
    ray = _ray()
    messages = []
    for number in numbers["item"].to_pylist():
        try:
            if ray.get(attempts.begin.remote(number)) > _ATTEMPTS:
                raise DataError(
                    f"engine='ray': a process ended {_ATTEMPTS} times while it worked at block "
                    f"{number} of the rows. Where memory ran out, give a smaller batch_size."
                )
            message = packed(_work_of(references[0])(number))
        except Exception as error:
            message = packed_error(error)
        messages.append(message)
    made = {_BLOCK: numbers["item"], _ROWS: pa.array(messages, pa.large_binary())}
    return pa.table(made)


def _work_of(reference: Any) -> Work:
    key = reference.hex()
    if key not in _known:
        ray = _ray()
        try:
            work = ray.get(reference)
        except ray.exceptions.RaySystemError as error:
            reason = str(error).splitlines()[0].removeprefix("System error: ")
            raise DataError(
                "engine='ray': the function, or something that it uses, cannot be loaded in Ray's "
                f"processes: {reason}. What it imports has to be there: install it on every "
                "machine, or start Ray with ray.init(runtime_env={'working_dir': '.'})."
            ) from None
        _known.clear()
        _known[key] = work
    return _known[key]


def _ray() -> Any:
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ModuleNotFoundError as error:
        raise DataError(f"{_MISSING} ({error})") from error
    return ray
