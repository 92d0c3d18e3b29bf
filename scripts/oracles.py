"""The tokenizers that Graft is held to, each with what the reference implementation says."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors

import graft

Expected = tuple[list[int], list[tuple[int, int]] | None]

GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")


@dataclass(frozen=True)
class Subject:
    """A tokenizer in Graft, and its oracle: texts to ids and, where it has them, spans."""

    name: str
    ours: graft.Tokenizer
    oracle: Callable[[list[str]], list[Expected]]
    has_spans: bool = True


def subjects(data: Path) -> Iterator[Subject]:
    """All of them, made of the files in `data`."""
    import json

    def pair(name: str, theirs: tokenizers.Tokenizer) -> Subject:
        ours = graft.Tokenizer(json.loads(theirs.to_str()))
        return Subject(name, ours, lambda texts: _ask(theirs, texts))

    vocabularies = data / "vocabularies"
    for cased in (False, True):
        yield pair(f"bert-{'cased' if cased else 'uncased'}", bert(vocabularies, cased=cased))
    yield pair("gpt2", gpt2(vocabularies))
    reviews = imdb(data, 4000)
    for name, pattern in (("llama3", GPT4), ("qwen", QWEN)):
        yield pair(name, trained_bpe(pattern, reviews))
    yield pair("albert", albert(vocabularies))
    for name in ("stories260K", "sentencepiece-test", "albert"):
        folder = vocabularies / name
        yield _sentencepiece(f"{name}.model", next(folder.glob("*.model")))


def _ask(oracle: tokenizers.Tokenizer, texts: list[str]) -> list[Expected]:
    return [(found.ids, found.offsets) for found in oracle.encode_batch(texts)]


def _sentencepiece(name: str, path: Path) -> Subject:
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    ours = graft.Tokenizer.from_pretrained(path.parent)
    return Subject(
        name, ours, lambda texts: [(ids, None) for ids in processor.encode(texts)], False
    )


def imdb(data: Path, count: int) -> list[str]:
    """The first reviews of the training split."""
    texts: list[str] = graft.load_dataset(data / "imdb", split="train")[:count]["text"]
    return texts


def bert(vocabularies: Path, *, cased: bool) -> tokenizers.Tokenizer:
    """BERT's tokenizer."""
    made = tokenizers.Tokenizer(
        models.WordPiece.from_file(
            str(vocabularies / "bert-base-uncased" / "vocab.txt"), unk_token="[UNK]"
        )
    )
    made.normalizer = normalizers.BertNormalizer(lowercase=not cased)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 102), ("[CLS]", 101))
    made.decoder = decoders.WordPiece()
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    return made


def gpt2(vocabularies: Path) -> tokenizers.Tokenizer:
    """GPT-2's tokenizer."""
    folder = vocabularies / "gpt2"
    made = tokenizers.Tokenizer(
        models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt"))
    )
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.ByteLevel(trim_offsets=True)
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens(["<|endoftext|>"])
    return made


def trained_bpe(pattern: str, texts: list[str]) -> tokenizers.Tokenizer:
    """A byte-level BPE with a split pattern of its own, as Llama 3 and Qwen have, trained here."""
    made = tokenizers.Tokenizer(models.BPE(ignore_merges="{1,3}" in pattern))
    made.normalizer = None if "{1,3}" in pattern else normalizers.NFC()
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=8000,
        show_progress=False,
        special_tokens=["<|begin_of_text|>", "<|end_of_text|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    made.train_from_iterator(texts, trainer)
    return made


def albert(vocabularies: Path) -> tokenizers.Tokenizer:
    """ALBERT's Unigram, as the ecosystem converts it."""
    from sentencepiece import sentencepiece_model_pb2

    proto: Any = sentencepiece_model_pb2.ModelProto()
    proto.ParseFromString((vocabularies / "albert" / "spiece.model").read_bytes())
    pieces = [(piece.piece, piece.score) for piece in proto.pieces]
    ids = {piece: number for number, (piece, _) in enumerate(pieces)}
    made = tokenizers.Tokenizer(models.Unigram(pieces, ids["<unk>"], False))
    made.normalizer = normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap),
            normalizers.Replace(tokenizers.Regex(" {2,}"), " "),
        ]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])],
    )
    made.add_special_tokens(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    return made
