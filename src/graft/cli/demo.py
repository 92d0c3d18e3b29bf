"""`graft demo`: the whole journey on a hub of its own, with every step explained."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graft.cli.output import Json, notices, print_json, results

if TYPE_CHECKING:
    from graft.demo.journey import Journey

_WIDTH = 100  # of what goes into a file, where no terminal says

_FIGURES = {
    "accuracy_before": "accuracy before training",
    "accuracy_after": "accuracy after training",
    "accuracy_shared": "accuracy of the shared model, in a new process",
    "training_examples_per_second": "examples a second, training and validation",
    "prediction_examples_per_second": "examples a second, prediction",
}


def demo(
    keep: Annotated[bool, typer.Option("--keep", help="Leave the hub running to look at.")] = False,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="The hub's port; 0 for a free one.")
    ] = 0,
    base: Annotated[
        Path | None, typer.Option(help="The folder of another pretrained model.", file_okay=False)
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training questions.")] = 4,
    json: Json = False,
) -> None:
    """Find, fine-tune, prove, share and use a model, on a hub made for it in a temporary folder.

    Every step is shown with the code that does it. Your own hub settings, cache and token are
    neither read nor changed, and nothing is left when it ends.

    Examples:

    [bold]graft demo[/]

    [bold]graft demo --keep --port 8080[/]
    """
    from graft.demo.journey import journey

    console = notices() if json else results()
    if not console.is_terminal:
        console.width = _WIDTH
    with _stoppable(), journey(console, base=base, epochs=epochs, port=port) as walked:
        if json:
            print_json(asdict(walked))
        else:
            _print(walked, keep=keep)
        if keep:
            _wait(walked)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Lets a closed terminal and `kill` end the demo as Ctrl-C does: with everything tidied up."""
    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(kind, signal.default_int_handler) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _print(walked: "Journey", *, keep: bool) -> None:
    """The figures, the time of each step, and where to look."""
    from graft.display import Table

    steps = [(step.title, f"{step.seconds:.1f}") for step in walked.steps]
    figures = [(title, _shown(name, walked.figures[name])) for name, title in _FIGURES.items()]
    out = results()
    out.print(Table("", ("step", "seconds "), [*steps, ("everything", f"{walked.seconds:.1f}")]))
    out.print(Table("", ("figure", "value "), figures))
    for name, address in walked.pages.items():
        out.print(f"{name:12} {address}", markup=False)
    if not keep:
        out.print("The hub of these pages ends here; graft demo --keep leaves it running.")


def _shown(name: str, value: float) -> str:
    return f"{value:.1%}" if name.startswith("accuracy") else f"{value:,.0f}"


def _wait(walked: "Journey") -> None:
    """Tells where to look, and waits for Ctrl-C."""
    out = notices()
    out.print(f"The hub goes on at {walked.hub} until you press Ctrl-C.", markup=False)
    out.print(f"Log in on its pages as {walked.user}, password {walked.password}", markup=False)
    try:
        while True:
            time.sleep(3600)
    except KeyboardInterrupt:
        out.print("Stopping the hub and removing its folder.", markup=False)
