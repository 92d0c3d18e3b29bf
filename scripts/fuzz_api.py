"""Requests made up from the Hub's own OpenAPI: none may end in a fault of the Hub.

Each operation gets values that fit its description and values that do not, as nobody and as
somebody who owns what is asked for. Every answer must have a status that the description knows, and
none may be 500. Ends with the count of what was tried.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from graft.server.running import RunningHub


def main() -> int:
    """Runs schemathesis on a fresh Hub; its exit status is that of the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="for each operation")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RunningHub(Path(folder)) as hub:
        token = hub.add_user("ada")
        prepare(hub.url, token)
        failed = 0
        for headers in ([], ["--header", f"Authorization: Bearer {token}"]):
            failed |= subprocess.run(
                command(hub.url, given.examples, given.seed, headers)
            ).returncode
    return failed


def prepare(url: str, token: str) -> None:
    """Makes what the made-up requests may find."""
    headers = {"Authorization": f"Bearer {token}"}
    for kind in ("model", "dataset"):
        body = {"name": "name", "type": kind}
        httpx.post(f"{url}/api/repos/create", json=body, headers=headers).raise_for_status()


def command(url: str, examples: int, seed: int | None, headers: list[str]) -> list[str]:
    """How schemathesis is called."""
    program = Path(sys.executable).with_name("schemathesis")
    chosen = [
        str(program),
        "run",
        f"{url}/api/openapi.json",
        "--checks=not_a_server_error,status_code_conformance",
        f"--max-examples={examples}",
        "--phases=examples,coverage,fuzzing",
        "--mode=all",
        "--request-timeout=30",
        "--continue-on-failure",
        "--no-color",
        *headers,
    ]
    return chosen if seed is None else [*chosen, f"--seed={seed}"]


if __name__ == "__main__":
    sys.exit(main())
