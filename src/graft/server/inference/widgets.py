"""Which models can be tried on their page."""

from graft.errors import TaskError
from graft.server.records import Kind, Repository


def widget_inputs(repository: Repository) -> tuple[str, ...]:
    """What the widget of a model asks for, by its task; empty where it cannot be run.

    The first call imports PyTorch, through the task registry.
    """
    if repository.kind is not Kind.MODEL or repository.head is None or not repository.task:
        return ()
    from graft.tasks.task import find_task

    try:
        return find_task(repository.task).inputs
    except TaskError:
        return ()
