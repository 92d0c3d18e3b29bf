"""`graft demo`: the whole journey on a hub of its own, with every step explained."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graft.cli.output import Json, notices, print_json, print_table, results

if TYPE_CHECKING:
    from graft.demo.journey import Journey

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
    with _stoppable(), journey(console, base=base, epochs=epochs, port=port) as walked:
        if json:
            print_json(_as_json(walked))
        else:
            _print(walked)
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


def _as_json(walked: "Journey") -> dict[str, Any]:
    return {
        "hub": walked.hub,
        **walked.figures,
        "seconds": walked.seconds,
        "steps": [vars(step) for step in walked.steps],
        "pages": walked.pages,
    }


def _print(walked: "Journey") -> None:
    out = results()
    out.print()
    print_table(["step", "seconds"], [[step.title, f"{step.seconds:.1f}"] for step in walked.steps])
    out.print()
    rows = [[title, _shown(name, walked.figures[name])] for name, title in _FIGURES.items()]
    print_table(["figure", "value"], [*rows, ["seconds for everything", f"{walked.seconds:.0f}"]])
    out.print()


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
