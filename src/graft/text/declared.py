"""What the files beside a tokenizer declare: its settings, special tokens and added tokens."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graft.errors import ModelError
from graft.files import read_settings
from graft.text.spec import special_content

SPECIAL_KINDS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
"""What a special token may be for; `tokenizer_config.json` calls it `bos_token` and so on."""


def read_config(folder: Path) -> dict[str, Any]:
    """The settings of a tokenizer's folder: `tokenizer_config.json`, before files that add to it.

    Older tokenizers keep special tokens in `special_tokens_map.json` and added ones in
    `added_tokens.json`; chat templates may have a file of their own.

    Raises:
        ModelError: A file is damaged.
    """
    config = {
        **_settings(folder / "special_tokens_map.json"),
        **_settings(folder / "tokenizer_config.json"),
    }
    added = _settings(folder / "added_tokens.json")
    if added and "added_tokens_decoder" not in config:
        config["added_tokens_decoder"] = {
            str(token_id): {"content": content, "special": False}
            for content, token_id in added.items()
        }
    template = folder / "chat_template.jinja"
    if template.is_file():
        try:
            config["chat_template"] = template.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{template} is not UTF-8 text: {error}. Fetch it again.") from error
    return config


def declared_tokens(config: dict[str, Any]) -> list[dict[str, Any]]:
    """The tokens that settings declare, as entries of `added_tokens` without ids, each once.

    Those of `added_tokens_decoder` come first, by id; then special ones by `SPECIAL_KINDS`; then
    special ones without a purpose. This is the order in which new ones get ids.

    Raises:
        ModelError: An entry is not what it should be.
    """
    found: dict[str, dict[str, Any]] = {}
    for token in (*_by_id(config), *_special(config)):
        found.setdefault(token["content"], token)
    return list(found.values())


def special_tokens(config: dict[str, Any]) -> dict[str, str]:
    """The special tokens by what they are for, such as `{"cls_token": "[CLS]"}`."""
    names = (f"{kind}_token" for kind in SPECIAL_KINDS)
    return {name: special_content(config[name]) for name in names if config.get(name)}


def _settings(path: Path) -> dict[str, Any]:
    return read_settings(path) if path.is_file() else {}


def _by_id(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    table = config.get("added_tokens_decoder") or {}
    try:
        for _, token in sorted(table.items(), key=lambda entry: int(entry[0])):
            yield _entry(token, special=bool(token.get("special")))
    except (AttributeError, TypeError, ValueError) as error:
        raise ModelError(
            "added_tokens_decoder is not a table of ids and tokens; take it out of "
            "tokenizer_config.json, or fetch the file again."
        ) from error


def _special(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for name in special_tokens(config):
        yield _entry(config[name], special=True)
    more = config.get("extra_special_tokens") or config.get("additional_special_tokens") or ()
    for token in more.values() if isinstance(more, dict) else more:
        yield _entry(token, special=True)


def _entry(token: Any, *, special: bool) -> dict[str, Any]:
    flags = token if isinstance(token, dict) else {"special": special}
    return {
        "content": special_content(token),
        "single_word": bool(flags.get("single_word", False)),
        "lstrip": bool(flags.get("lstrip", False)),
        "rstrip": bool(flags.get("rstrip", False)),
        "normalized": bool(flags.get("normalized", not flags.get("special", False))),
        "special": special,
    }
