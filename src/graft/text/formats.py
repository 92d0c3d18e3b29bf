"""The files that tokenizers are kept in, read into one form: that of `tokenizer.json`."""

from pathlib import Path
from typing import Any

from graft.errors import ModelError
from graft.files import read_settings
from graft.text.sentencepiece import read_sentencepiece
from graft.text.spec import Spec, added_token, new_spec, special_content

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "*.model",
    "chat_template.jinja",
)
_ROBERTA = ("Roberta", "Bart", "Longformer", "LED")


def read_folder(folder: Path, config: dict[str, Any]) -> Spec | None:
    """The tokenizer of a folder, None where it holds none.

    Args:
        folder: Where its files are.
        config: The parsed `tokenizer_config.json`, for files that do not say everything.

    Raises:
        ModelError: A file is damaged.
    """
    if (folder / "tokenizer.json").is_file():
        return read_settings(folder / "tokenizer.json")
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder / "vocab.txt", config)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_level(folder / "vocab.json", folder / "merges.txt", config)
    models = sorted(folder.glob("*.model"))
    if models:
        return read_sentencepiece(models[0])
    return None


def bert_spec(
    vocabulary: dict[str, int], config: dict[str, Any], name: str | Path = "The vocabulary"
) -> Spec:
    """BERT's tokenizer around a vocabulary.

    Raises:
        ModelError: It lacks a special token.
    """
    special = {
        kind: special_content(config.get(f"{kind}_token", f"[{kind.upper()}]"))
        for kind in ("unk", "sep", "pad", "cls", "mask")
    }
    missing = [token for token in special.values() if token not in vocabulary]
    if missing:
        raise ModelError(f"{name} lacks the special tokens {', '.join(missing)}.")
    return new_spec(
        {
            "type": "WordPiece",
            "unk_token": special["unk"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
        added_tokens=[
            added_token(vocabulary[token], token)
            for token in sorted(special.values(), key=lambda token: vocabulary[token])
        ],
        normalizer={
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": bool(config.get("tokenize_chinese_chars", True)),
            "strip_accents": config.get("strip_accents"),
            "lowercase": bool(config.get("do_lower_case", True)),
        },
        pre_tokenizer={"type": "BertPreTokenizer"},
        post_processor=bert_template(special, vocabulary),
        decoder={"type": "WordPiece", "prefix": "##", "cleanup": True},
    )


def bert_template(special: dict[str, str], vocabulary: dict[str, int]) -> dict[str, Any]:
    """`[CLS] A [SEP]`, and `[CLS] A [SEP] B [SEP]` for pairs."""

    def token(kind: str, type_id: int) -> dict[str, Any]:
        return {"SpecialToken": {"id": special[kind], "type_id": type_id}}

    def text(name: str, type_id: int) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": type_id}}

    single = [token("cls", 0), text("A", 0), token("sep", 0)]
    return {
        "type": "TemplateProcessing",
        "single": single,
        "pair": [*single, text("B", 1), token("sep", 1)],
        "special_tokens": {
            special[kind]: {
                "id": special[kind],
                "ids": [vocabulary[special[kind]]],
                "tokens": [special[kind]],
            }
            for kind in ("cls", "sep")
        },
    }


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(
            f"{path} is not UTF-8 text: byte {error.start} cannot be read. Fetch it again."
        ) from error


def _wordpiece(path: Path, config: dict[str, Any]) -> Spec:
    """BERT's tokenizer from its vocabulary alone, one token a line."""
    vocabulary: dict[str, int] = {}
    for line, text in enumerate(_read_text(path).removesuffix("\n").split("\n")):
        token = text.rstrip("\r")
        if not token:
            raise ModelError(f"{path}, line {line + 1} is empty; each line holds one token.")
        if token in vocabulary:
            raise ModelError(
                f"{path}, line {line + 1}: the token {token!r} stands in line "
                f"{vocabulary[token] + 1} already."
            )
        vocabulary[token] = line
    return bert_spec(vocabulary, config, path)


def _byte_level(vocab: Path, merges: Path, config: dict[str, Any]) -> Spec:
    """GPT-2's or RoBERTa's tokenizer from its vocabulary and merges."""
    vocabulary = read_settings(vocab)
    lines = [line for line in _read_text(merges).split("\n") if line.strip()]
    if lines and lines[0].startswith("#version"):
        lines = lines[1:]
    pairs = [line.rstrip("\r").split(" ") for line in lines]
    for number, pair in enumerate(pairs):
        if len(pair) != 2:
            raise ModelError(f"{merges}: the merge {lines[number]!r} is not two tokens.")
    prefix = bool(config.get("add_prefix_space", False))
    roberta = str(config.get("tokenizer_class", "")).startswith(_ROBERTA)
    byte_level = {"add_prefix_space": prefix, "trim_offsets": True, "use_regex": True}
    defaults = ("<s>", "</s>", "<unk>", "<pad>", "<mask>") if roberta else ("<|endoftext|>",) * 3
    names = ("bos", "eos", "unk", "pad", "mask")
    special = {
        name: special_content(config.get(f"{name}_token") or default)
        for name, default in zip(names, defaults, strict=False)
    }
    found = sorted({token for token in special.values() if token in vocabulary})
    post_processor: dict[str, Any] = {"type": "ByteLevel", **byte_level}
    if roberta:
        start, end = special["bos"], special["eos"]
        if start not in vocabulary or end not in vocabulary:
            raise ModelError(f"{vocab} lacks the special tokens {start} and {end}.")
        post_processor = {
            "type": "RobertaProcessing",
            "sep": [end, vocabulary[end]],
            "cls": [start, vocabulary[start]],
            "trim_offsets": True,
            "add_prefix_space": prefix,
        }
    return new_spec(
        {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": vocabulary,
            "merges": pairs,
        },
        added_tokens=[
            added_token(vocabulary[token], token, lstrip=token == special.get("mask"))
            for token in sorted(found, key=lambda token: int(vocabulary[token]))
        ],
        pre_tokenizer={"type": "ByteLevel", **byte_level},
        post_processor=post_processor,
        decoder={
            "type": "ByteLevel",
            "add_prefix_space": True,
            "trim_offsets": True,
            "use_regex": True,
        },
    )
