"""Pushed files are read for the lists and searches, whatever is in them; and again after a stop."""

import json

import pytest
from person import Person, file

DEEP = b"[" * 100_000


def header(text: bytes) -> bytes:
    """A safetensors file that holds only its header."""
    return len(text).to_bytes(8, "little") + text


def tensors(shape: str) -> bytes:
    return header(b'{"a": {"dtype": "F32", "shape": %s}}' % shape.encode())


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("config.json", DEEP),
        ("config.json", b'{"architectures": ' + DEEP),
        ("config.json", b'{"architectures": ["\\ud800"], "model_type": NaN}'),
        ("config.json", b'{"model_type": 1' + b"0" * 5000 + b"}"),
        ("w.safetensors", header(DEEP)),
        ("w.safetensors", tensors("[Infinity]")),
        ("w.safetensors", tensors("[9223372036854775807, 9223372036854775807]")),
        ("w.safetensors", tensors("[-5]")),
        ("w.safetensors", tensors("{}")),
        ("w.safetensors", header(b'{"a": {"dtype": "\\ud800", "shape": [1]}}')),
        ("README.md", b'---\nlicense: "\\ud800"\ntags: ["\\udfff"]\n---\n# x\n'),
        ("README.md", b"---\nlicense: mit\nbig: 0x" + b"f" * 9000 + b"\n---\n"),
    ],
)
def test_what_is_pushed_never_keeps_a_repository_from_being_listed(
    ada: Person, path: str, content: bytes
) -> None:
    repo = ada.create("hostile")
    made = ada.commit(repo, file(path, content), file("notes.txt", "x"))
    assert made.status_code == 200, made.text
    assert ada.head(repo) == made.json()["commitOid"]
    listed = ada.http.get("/api/models", params={"author": ada.name, "full": True, "config": True})
    assert [item["sha"] for item in listed.json()] == [ada.head(repo)]
    browser = {"Accept": "text/html"}
    assert ada.http.get(f"/{repo}", headers=browser).status_code == 200
    assert ada.http.get("/models", headers=browser).status_code == 200


def test_counts_stop_where_the_database_does(ada: Person) -> None:
    repo = ada.create("vast")
    ada.commit(repo, file("w.safetensors", tensors(json.dumps([2**62, 2**62]))))
    counted = ada.http.get(f"/api/models/{repo}").json()["safetensors"]
    assert counted["total"] == 2**63 - 1
