"""Which files go to large-object storage, as `.gitattributes` says it."""

import re

import pygit2
from pygit2.enums import AttrCheck

ATTRIBUTES_FILE = ".gitattributes"
LFS_RULE = "filter=lfs diff=lfs merge=lfs -text"

_LARGE_BY_NATURE = [
    "7z",
    "arrow",
    "avi",
    "avif",
    "bin",
    "bz2",
    "ckpt",
    "flac",
    "ftz",
    "gguf",
    "gz",
    "h5",
    "jpeg",
    "jpg",
    "joblib",
    "lz4",
    "mlmodel",
    "mp3",
    "mp4",
    "model",
    "msgpack",
    "npy",
    "npz",
    "ogg",
    "onnx",
    "ot",
    "parquet",
    "pb",
    "pickle",
    "pkl",
    "png",
    "pt",
    "pth",
    "rar",
    "safetensors",
    "tar",
    "tflite",
    "tgz",
    "tiff",
    "wasm",
    "wav",
    "webm",
    "webp",
    "xz",
    "zip",
    "zst",
]


_SPECIAL = re.compile(r"[ *?\[\]\\\"]")


def default_attributes() -> bytes:
    """The `.gitattributes` that every new repository begins with."""
    return "".join(f"*.{suffix} {LFS_RULE}\n" for suffix in _LARGE_BY_NATURE).encode()


def is_large(repository: pygit2.Repository, commit_id: str, path: str) -> bool:
    """Whether the rules in that commit send `path` to large-object storage."""
    flags = AttrCheck.INDEX_THEN_FILE | AttrCheck.INCLUDE_COMMIT | AttrCheck.NO_SYSTEM
    return bool(repository.get_attr(path, "filter", flags, commit=commit_id) == "lfs")


def rule_for(path: str) -> str:
    """A line of `.gitattributes` that sends exactly `path` to large-object storage."""
    return f"/{_SPECIAL.sub(_escape, path)} {LFS_RULE}"


def _escape(match: re.Match[str]) -> str:
    # A space would end the pattern; `git lfs track` writes it the same way.
    return "[[:space:]]" if match[0] == " " else f"\\{match[0]}"
