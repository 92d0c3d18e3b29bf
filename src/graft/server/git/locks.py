"""The lock files of git itself, which a killed process leaves behind."""

from pathlib import Path


def remove_stale(repository: Path) -> None:
    """Removes lock files of refs and settings. Only for who holds the repository against all other
    changes: then no living process has made them."""
    for name in ("HEAD.lock", "packed-refs.lock", "config.lock", "shallow.lock"):
        (repository / name).unlink(missing_ok=True)
    for path in (repository / "refs").rglob("*.lock"):
        path.unlink(missing_ok=True)
