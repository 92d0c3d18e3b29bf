"""Which files a `.gitignore` leaves out, as `git` itself reads it."""

import os
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from graft.server.errors import BadRequestError
from graft.server.git.process import clean_environment, with_config


def find_ignored(repository: Path, rules: str, paths: Iterable[str]) -> set[str]:
    """Those of `paths` that `rules`, the content of a `.gitignore` at the top, leave out.

    `repository` is the absolute path of any bare repository: git asks for one.

    Raises:
        BadRequestError: rules that git cannot use.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, ".gitignore").write_text(rules, encoding="utf-8")
        settings = ["safe.directory=*", f"core.excludesFile={os.devnull}"]
        places = [f"--git-dir={repository}", f"--work-tree={folder}"]
        found = subprocess.run(
            [*with_config(settings), *places, "check-ignore", "--no-index", "-z", "--stdin"],
            input="\0".join(paths).encode(),
            capture_output=True,
            check=False,  # 1 says that none is ignored
            cwd=folder,
            env=clean_environment(),
        )
    if found.returncode not in (0, 1):
        said = found.stderr.decode("utf-8", "replace").strip()
        raise BadRequestError(f"The .gitignore cannot be used: {said}")
    return set(found.stdout.decode().split("\0")) - {""}
