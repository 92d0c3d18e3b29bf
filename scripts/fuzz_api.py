"""Requests made up from the Hub's own OpenAPI: none may end in a fault of the Hub.

Each operation gets values that fit its description and values that do not, as nobody and as
somebody who owns what is asked for. Every answer must have a status, a type and a form that the
description knows, and none may be 500. Most names in addresses are of things that are there, so
that requests get further than to a 404. Ends with the count of what was tried.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from graft.server.running import RunningHub

# By the parameter of an address that may be one: what `prepare` makes, and what it does not.
NAMES = {
    "owner": ["ada", "crew"],
    "name": ["name", "name.git"],
    "username": ["ada", "bob"],
    "organization": ["crew"],
    "revision": ["main", "v1", "refs/pr/1", "0" * 40],
    "revisions": ["v1..main", "main...v1", "main"],
    "branch": ["main", "draft", "refs/pr/1"],
    "tag": ["v1", "v2"],
    "rest": ["main/README.md", "main/weights", "v1", "refs/pr/1/README.md", "blob/main/README.md"],
    "number": [1, 2],
    "repository_id": [1, 2],
    "sha256": ["0" * 64],
    "store": ["default"],
    "key": ["1", "2"],
}
SHARE_OF_NAMES = 0.85
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
)


def main() -> int:
    """Runs schemathesis on a fresh Hub; its exit status is that of the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=50, help="for each operation, in a round")
    parser.add_argument("--seconds", type=int, default=90, help="as nobody, and again as somebody")
    parser.add_argument("--seed", type=int, default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, RunningHub(Path(folder, "hub")) as hub:
        token = hub.add_user("ada")
        prepare(hub, token)
        settings = Path(folder, "schemathesis.toml")
        settings.write_text(names_as_toml(), encoding="utf-8")
        failed = 0
        for headers in ([], ["--header", f"Authorization: Bearer {token}"]):
            called = command(hub.url, settings, given, headers)
            failed |= subprocess.run(called, cwd=folder).returncode
    return failed


def prepare(hub: RunningHub, token: str) -> None:
    """Makes what the made-up requests may find."""
    hub.add_user("bob")
    with httpx.Client(base_url=hub.url, headers={"Authorization": f"Bearer {token}"}) as client:

        def send(address: str, body: dict[str, object]) -> None:
            client.post(address, json=body).raise_for_status()

        send("/api/organizations/create", {"name": "crew"})
        for kind in ("model", "dataset"):
            for owner in ("ada", "crew"):
                body = {"name": "name", "type": kind, "organization": owner}
                send("/api/repos/create", body)
            root = f"/api/{kind}s/ada/name"
            lines = [
                {"key": "header", "value": {"summary": "Begin"}},
                {"key": "file", "value": {"path": "README.md", "content": "# Name\n"}},
                {"key": "file", "value": {"path": "weights/notes.txt", "content": "None yet.\n"}},
            ]
            content = "\n".join(json.dumps(line) for line in lines)
            client.post(f"{root}/commit/main", content=content).raise_for_status()
            send(f"{root}/tag/main", {"tag": "v1"})
            send(f"{root}/branch/draft", {})
            proposal = {"title": "A proposal", "description": "Look.", "pullRequest": True}
            send(f"{root}/discussions", proposal)
            send(f"{root}/like", {})


def names_as_toml() -> str:
    """What schemathesis is told of names in addresses."""
    lines = []
    for name, values in NAMES.items():
        lines += [f"[dictionaries.{name}]", f"values = {json.dumps(values)}"]
    lines.append("[parameters]")
    for name in NAMES:
        binding = f'{{ dictionary = "{name}", probability = {SHARE_OF_NAMES} }}'
        lines.append(f'"path.{name}" = {binding}')
    return "\n".join(lines) + "\n"


def command(url: str, settings: Path, given: argparse.Namespace, headers: list[str]) -> list[str]:
    """How schemathesis is called."""
    program = Path(sys.executable).with_name("schemathesis")
    chosen = [
        str(program),
        f"--config-file={settings}",
        "run",
        f"{url}/api/openapi.json",
        f"--checks={','.join(CHECKS)}",
        f"--max-examples={given.examples}",
        f"--max-time={given.seconds}",
        "--phases=examples,coverage,fuzzing",
        "--mode=all",
        "--request-timeout=30",
        "--continue-on-failure",
        "--warnings=off",
        "--no-color",
        *headers,
    ]
    return chosen if given.seed is None else [*chosen, f"--seed={given.seed}"]


if __name__ == "__main__":
    sys.exit(main())
