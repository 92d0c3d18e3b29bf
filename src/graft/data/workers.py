"""Work in several processes: blocks of rows, given back in their order."""

import os
import pickle
import signal
import traceback
from collections.abc import Callable, Generator, Sequence
from multiprocessing import (
    current_process,
    get_all_start_methods,
    get_context,
    parent_process,
)
from multiprocessing.connection import Connection
from threading import Thread
from typing import Any

import pyarrow as pa

from graft.errors import DataError

Work = Callable[[int], Sequence[pa.RecordBatch]]

_Process = Any  # of the context that forks; its class is not on every system


def in_order(work: Work, blocks: int, processes: int) -> Generator[list[pa.RecordBatch]]:
    """`work(0)`, `work(1)`, ... up to `blocks`, computed by several processes.

    The processes are forked, so that `work` may be any function and reaches whatever it captured;
    what it changes stays in its process. A process is one block ahead at most: what waits is small.

    Raises:
        DataError: As `work` raised it, naming the original error; or the system cannot fork, or a
            process ended before its work was done.
    """
    if processes == 1 or blocks <= 1:
        for block in range(blocks):
            yield list(work(block))
        return
    if "fork" not in get_all_start_methods():
        raise DataError(
            "num_proc above 1 needs a system that can fork, such as Linux or macOS. Leave it out."
        )
    if current_process().daemon:
        raise DataError(
            "num_proc above 1 was given in a process that is itself one of several at work, which "
            "cannot start others. Leave it out there."
        )
    processes = min(processes, blocks)
    started: list[tuple[_Process, Connection]] = []
    try:
        for number in range(processes):
            started.append(_start(work, range(number, blocks, processes), started))
        for block in range(blocks):
            yield _received(*started[block % processes], block)
    finally:
        for process, connection in started:
            process.terminate()
            connection.close()
        for process, _ in started:
            process.join()


def _start(
    work: Work, blocks: range, started: list[tuple[_Process, Connection]]
) -> tuple[_Process, Connection]:
    context = get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    # A process that held another's end open would keep us from noticing that the other has died.
    not_its_own = [receiving, *(connection for _, connection in started)]
    process = context.Process(target=_run, args=(work, blocks, sending, not_its_own), daemon=True)
    process.start()
    sending.close()
    return process, receiving


def _run(work: Work, blocks: range, connection: Connection, not_its_own: list[Connection]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends us
    for other in not_its_own:
        other.close()
    Thread(target=_end_with_parent, daemon=True).start()
    try:
        for block in blocks:
            try:
                message = packed(work(block))
            except Exception as error:
                connection.send_bytes(packed_error(error))
                return
            connection.send_bytes(message)
    except BrokenPipeError:
        return  # nobody waits for the rows any more


def _end_with_parent() -> None:
    """Ends the process where its parent was killed: nobody would wait for it, but for its locks."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def packed(batches: Sequence[pa.RecordBatch]) -> bytes:
    """Batches as bytes, for `unpacked`."""
    sinks = []
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        sinks.append(sink.getvalue().to_pybytes())
    return pickle.dumps(sinks)


def packed_error(error: Exception) -> bytes:
    """The error and its cause. One that cannot be sent is told in words."""
    cause = error.__cause__
    if isinstance(cause, Exception):
        cause.add_note(f"In a process of its own:\n{''.join(traceback.format_exception(cause))}")
    return pickle.dumps((_sendable(error), cause and _sendable(cause)))


def _sendable(error: BaseException) -> bytes:
    try:
        content = pickle.dumps(error)
        pickle.loads(content)
    except Exception:  # a user's exception may fail in any way when it is pickled or made again
        told = RuntimeError(f"{type(error).__name__}: {error}")
        told.__dict__.update(__notes__=getattr(error, "__notes__", []))
        return pickle.dumps(told)
    return content


def _received(process: _Process, connection: Connection, block: int) -> list[pa.RecordBatch]:
    try:
        message = connection.recv_bytes()
    except EOFError as error:
        process.join()
        raise DataError(
            f"A process ended while it worked (exit code {process.exitcode}), before block {block} "
            "of the rows was done. Where memory ran out, give fewer processes (num_proc) or a "
            "smaller batch_size."
        ) from error
    return unpacked(message)


def unpacked(message: bytes) -> list[pa.RecordBatch]:
    """The batches of `packed`; raises the error of `packed_error`, with its cause."""
    content = pickle.loads(message)
    if isinstance(content, list):  # else a pair: what went wrong
        return [pa.ipc.open_stream(sink).read_next_batch() for sink in content]
    failure: Exception = pickle.loads(content[0])
    raise failure from (None if content[1] is None else pickle.loads(content[1]))
