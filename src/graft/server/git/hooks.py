"""What git runs when somebody pushes: `graft.server.git.pre_receive`, with this Python."""

import shlex
import sys
from pathlib import Path

from graft.files import atomic_file


def install_hooks(folder: Path) -> Path:
    """Writes the hooks that all repositories share, and answers their folder."""
    hook = folder / "pre-receive"
    command = f"exec {shlex.quote(sys.executable)} -m graft.server.git.pre_receive"
    with atomic_file(hook) as temporary:
        temporary.write_text(f"#!/bin/sh\n{command}\n", encoding="utf-8")
    hook.chmod(0o755)
    return folder.absolute()
