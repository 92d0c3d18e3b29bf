"""Somebody who talks to a Hub over plain HTTP, as any program would."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

import httpx

PASSWORD = "long enough"
CARD = "---\npipeline_tag: text-classification\nlanguage: en\nlicense: mit\n---\n# A model\n"


@dataclass
class Person:
    """An account with a write token; `http` sends the token with every request."""

    name: str
    token: str
    http: httpx.Client

    def create(self, name: str, kind: str = "model", *, private: bool = False) -> str:
        """Creates a repository and answers its id."""
        body = {"name": name, "type": kind, "visibility": "private" if private else "public"}
        assert self.http.post("/api/repos/create", json=body).status_code == 200
        return f"{self.name}/{name}"

    def commit(
        self, repo: str, *operations: dict[str, Any], kind: str = "models", **header: Any
    ) -> httpx.Response:
        """Sends one commit to `main`."""
        lines = [{"key": "header", "value": {"summary": "A change", **header}}, *operations]
        body = "\n".join(json.dumps(line) for line in lines)
        return self.http.post(f"/api/{kind}/{repo}/commit/main", content=body)

    def upload(self, repo: str, data: bytes, *, prefix: str = "") -> str:
        """Uploads a large object as git-lfs would, and answers its SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        action = self.lfs(repo, "upload", sha256, len(data), prefix=prefix).get("actions")
        if action:
            sent = httpx.put(action["upload"]["href"], content=data)
            assert sent.status_code == 200, sent.text
        return sha256

    def lfs(
        self, repo: str, operation: str, sha256: str, size: int, *, prefix: str = ""
    ) -> dict[str, Any]:
        """What the batch endpoint answers about one object."""
        body = {"operation": operation, "objects": [{"oid": sha256, "size": size}]}
        answer = self.http.post(f"/{prefix}{repo}.git/info/lfs/objects/batch", json=body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["objects"][0]
        return found

    def read(self, repo: str, path: str, revision: str = "main", prefix: str = "") -> bytes:
        """A file's bytes."""
        answer = self.http.get(f"/{prefix}{repo}/resolve/{revision}/{path}")
        assert answer.status_code == 200, answer.text
        return answer.content

    def files(self, repo: str, kind: str = "models") -> set[str]:
        """The paths of all files on `main`, but for the one that every repository begins with."""
        answer = self.http.get(f"/api/{kind}/{repo}/tree/main", params={"recursive": True})
        return {e["path"] for e in answer.json() if e["type"] == "file"} - {".gitattributes"}

    def head(self, repo: str, kind: str = "models") -> str:
        """The newest commit of `main`."""
        sha: str = self.http.get(f"/api/{kind}/{repo}").json()["sha"]
        return sha


def file(path: str, content: str | bytes) -> dict[str, Any]:
    """The operation that adds a small file."""
    data = content.encode() if isinstance(content, str) else content
    encoded = base64.b64encode(data).decode()
    return {"key": "file", "value": {"path": path, "content": encoded, "encoding": "base64"}}


def large(path: str, sha256: str, size: int) -> dict[str, Any]:
    """The operation that adds a large file, uploaded before."""
    value = {"path": path, "algo": "sha256", "oid": sha256, "size": size}
    return {"key": "lfsFile", "value": value}


def deleted(path: str) -> dict[str, Any]:
    """The operation that deletes a file, or a folder where the path ends in a slash."""
    key = "deletedFolder" if path.endswith("/") else "deletedFile"
    return {"key": key, "value": {"path": path}}
