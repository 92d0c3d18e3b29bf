"""What the fuzz target does with its inputs, and what has to hold whatever they are.

A case ends well when each step gives a result that makes sense or a clean error: of `graft.errors`
where users meet it, ValueError or TypeError from the engine that they do not see.
"""

import base64
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, get_args

import numpy as np
import pyarrow as pa

import fuzz_inputs as make
import graft
from graft.errors import GraftError
from graft.text import _engine, assemble
from graft.text.encoding import TokenBatch
from graft.text.sentencepiece import read_sentencepiece
from graft.text.tokenizer import Truncation
from graft.text.training import Kind

TRAINED_ON = [
    "The rain, oh my, the storm and the snow! 42 naïve 東京 \u0301a b",
    "we ran, we ran",
] * 9


@contextmanager
def clean(*allowed: type[Exception]) -> Iterator[None]:
    """What may be refused; any other exception ends the case."""
    with suppress(GraftError, *allowed):
        yield


class Cases:
    """The cases of a seed, each made anew from its number alone.

    Args:
        seed: Of all that is random.
        data: Where real tokenizers are, in the folder `vocabularies`; without it, only those
            trained here are used.
    """

    def __init__(self, seed: int, data: Path) -> None:
        self._seed = seed
        folder = data / "vocabularies"
        self._models = sorted(folder.glob("*/*.model")) if folder.is_dir() else []
        self._bases = [json.dumps(spec) for spec in _trained_specs()]
        for path in self._models:
            if path.stat().st_size < 300_000:
                self._bases.append(json.dumps(read_sentencepiece(path)))

    def run(self, number: int) -> None:
        """One case."""
        source = Random(f"{self._seed}/{number}")
        kinds: list[tuple[Callable[[Random], None], int]] = [
            (self._files, 6),
            (self._buffers, 3),
            (_parts, 2),
            (_models, 2),
            (_training, 1),
        ]
        (case,) = source.choices([kind for kind, _ in kinds], [weight for _, weight in kinds])
        case(source)

    def _files(self, source: Random) -> None:
        """A folder of a tokenizer's files, whole or damaged, and all that can be done with it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            writers = (self._write_json, self._write_lists, self._write_model)
            source.choices(writers, (4, 1, 1))[0](source, folder)
            if source.random() < 0.2:
                config = {f"{kind}_token": make.junk(source) for kind in ("unk", "cls", "bos")}
                config |= {"model_max_length": make.junk(source), "do_lower_case": True}
                (folder / "tokenizer_config.json").write_text(json.dumps(config))
            with clean():
                _use(source, graft.Tokenizer.from_pretrained(folder), folder / "saved")

    def _write_json(self, source: Random, folder: Path) -> None:
        spec = make.spec(source, self._bases)
        if source.random() < 0.4:
            spec = make.damage_json(source, spec)
        data = json.dumps(spec).encode()
        if source.random() < 0.05:
            data = source.choice((make.damage_bytes(source, data), b"[" * 10**6, b'{"a":' * 10**6))
        (folder / "tokenizer.json").write_bytes(data)

    def _write_lists(self, source: Random, folder: Path) -> None:
        """`vocab.txt`, or `vocab.json` with `merges.txt`."""
        vocab = make.vocabulary(source)
        if source.random() < 0.5:
            lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *vocab]
            data = "\n".join(dict.fromkeys(lines)).encode()
            data = make.damage_bytes(source, data) if source.random() < 0.5 else data
            (folder / "vocab.txt").write_bytes(data)
            return
        tokens = list(vocab) or ["a"]
        pairs = [f"{source.choice(tokens)} {source.choice(tokens)}" for _ in range(6)]
        data = "\n".join(["#version: 0.2", *pairs]).encode()
        data = make.damage_bytes(source, data) if source.random() < 0.3 else data
        (folder / "merges.txt").write_bytes(data)
        damaged: Any = make.damage_json(source, vocab) if source.random() < 0.3 else vocab
        (folder / "vocab.json").write_text(json.dumps(damaged))

    def _write_model(self, source: Random, folder: Path) -> None:
        if self._models and source.random() < 0.3:
            data = source.choice(self._models).read_bytes()
        else:
            data = make.sentencepiece_model(source)
        if source.random() < 0.5:
            data = make.damage_bytes(source, data)
        (folder / "tokenizer.model").write_bytes(data)

    def _buffers(self, source: Random) -> None:
        """A tokenizer that works, given Arrow buffers that hold anything."""
        spec = json.loads(source.choice(self._bases))
        tokenizer = graft.Tokenizer(spec)
        for _ in range(4):
            first = _column(source)
            pairs = _column(source) if source.random() < 0.3 else None
            with clean():
                _encode(source, tokenizer, first, pairs)
        engine = _engine.Tokenizer(
            normalizer=None,
            pre_tokenizer=_engine.WhitespaceSplit(),
            model=assemble.model(spec["model"], byte_level=False),
            raw_added=[(0, "the", source.random() < 0.5, True, False)],
            normalized_added=[],
            single=[(1, 0, 0)],
            pair=[(1, 0, 0), (2, 0, 1)],
        )
        data = np.frombuffer(make.any_bytes(source), np.uint8)
        offsets = np.array([source.randint(-1, 20) for _ in range(source.randint(0, 4))], np.int64)
        if source.random() < 0.7:
            offsets.sort()
        with clean(ValueError, TypeError):
            engine.encode(data, offsets, spans=source.random() < 0.5, threads=2)
        with clean(ValueError, TypeError):
            engine.count_words(_engine.WordCounter(), data, offsets, threads=2)


def _trained_specs() -> Iterator[Any]:
    for kind in get_args(Kind):
        size = 80 if kind == "unigram" else 400
        trained = graft.Tokenizer.train(TRAINED_ON, kind, vocab_size=size, min_frequency=1)
        with tempfile.TemporaryDirectory() as folder:
            trained.save_pretrained(Path(folder) / "saved")
            yield json.loads((Path(folder) / "saved" / "tokenizer.json").read_bytes())


def _column(source: Random) -> pa.Array:
    """A string column whose bytes need not be UTF-8, and whose offsets may lead anywhere."""
    rows = [make.any_bytes(source) for _ in range(source.choice((0, 1, 3, 3, 3, 200)))]
    ends = np.cumsum([0, *map(len, rows)])
    if source.random() < 0.3 and len(ends) > 2:
        # Arrow looks at the first and the last offset alone.
        edges = (-1, 0, int(ends[-1]) + 1, 2**31 - 1, -(2**31), 7)
        ends[source.randrange(1, len(ends) - 1)] = source.choice(edges)
    large = source.random() < 0.5
    kind = pa.LargeStringArray if large else pa.StringArray
    offsets = pa.py_buffer(ends.astype(np.int64 if large else np.int32))
    array = kind.from_buffers(len(rows), offsets, pa.py_buffer(b"".join(rows)))
    cut = source.randint(0, len(array))
    return array.slice(cut) if source.random() < 0.3 else array


def _use(source: Random, tokenizer: graft.Tokenizer, folder: Path) -> None:
    """All that users do with a tokenizer, each step of which may be refused."""
    for _ in range(3):
        size = source.choice((0, 1, 3, 3, 40))
        texts = [make.text(source) for _ in range(size)]
        others = [make.text(source) for _ in range(size)] if source.random() < 0.4 else None
        with clean():
            _encode(source, tokenizer, texts, others)
        with clean():
            found = tokenizer(make.text(source), make.text(source) if others else None)
            assert len(found.tokens) == len(found.spans) == len(found.words) == len(found)
            tokenizer.decode(found.ids, skip_special=source.random() < 0.5)
    tokenizer.decode([make.number(source) for _ in range(9)])
    stream = tokenizer.decode_stream()
    for token_id in range(12):
        stream.push(token_id)
    stream.finish()
    with clean():
        new = [make.text(source, 4) for _ in range(3)]
        tokenizer.add_tokens(new, special=source.random() < 0.5)
    with clean():
        tokenizer("a" + make.text(source))
    with clean():
        tokenizer.save_pretrained(folder)
        graft.Tokenizer.from_pretrained(folder)


def _encode(source: Random, tokenizer: graft.Tokenizer, texts: Any, pairs: Any) -> None:
    """Rows with all kinds of options, with and without spans: the ids have to be the same."""
    options: dict[str, Any] = {"add_special_tokens": source.random() < 0.7}
    if source.random() < 0.6:
        options["max_length"] = make.number(source)
        options["truncation"] = source.choice(get_args(Truncation))
        if source.random() < 0.5:
            options["stride"] = make.number(source)
    batch = tokenizer.encode_batch(texts, pairs, **options)
    _check(tokenizer, batch, options)
    if "stride" not in options:
        assert len(batch) == len(texts), f"{len(texts)} texts gave {len(batch)} rows"
    placed = tokenizer.encode_batch(texts, pairs, spans=True, **options)
    assert np.array_equal(placed.ids, batch.ids), "ids differ where spans are asked for"
    assert np.array_equal(placed.offsets, batch.offsets)
    spans, lengths = placed.spans, [len(text) for text in texts if isinstance(text, str)]
    assert spans is not None
    assert (spans[:, 0] >= 0).all()
    assert (spans[:, 0] <= spans[:, 1]).all(), "a span ends before it starts"
    if pairs is None and lengths and len(spans):
        assert spans.max() <= max(lengths), "a span ends behind its text"


def _check(tokenizer: graft.Tokenizer, batch: TokenBatch, options: dict[str, Any]) -> None:
    """What holds for any rows."""
    assert batch.offsets[0] == 0
    assert batch.offsets[-1] == len(batch.ids) == len(batch.type_ids)
    assert (batch.lengths >= 0).all()
    unknown = [i for i in set(batch.ids.tolist()) if tokenizer.id_to_token(i) is None]
    assert not unknown, f"ids that no token has: {unknown}"
    if "max_length" in options and len(batch):
        assert batch.lengths.max() <= options["max_length"], "a row is longer than max_length"


def _parts(source: Random) -> None:
    """A normalizer and a pre-tokenizer by themselves."""
    with clean(ValueError, TypeError):
        normalizer = assemble.normalizer(make.normalizer(source))
        for _ in range(4):
            text = make.text(source)
            assert normalizer.normalize(text) == normalizer.normalize_aligned(text)[0]
    with clean(ValueError, TypeError):
        pre_tokenizer = assemble.pre_tokenizer(make.pre_tokenizer(source))
        for _ in range(4):
            text = make.text(source)
            for _, (start, end) in pre_tokenizer.split(text):
                assert 0 <= start <= end <= len(text)
            pre_tokenizer.words(text)
    for kind in (_engine.Precompiled, _engine.LongestCharsMap):
        blob = make.charsmap(source)
        with clean(ValueError, TypeError):
            kind(blob).normalize_aligned(make.text(source))
    with clean(ValueError, TypeError):
        encoded = base64.b64encode(blob).decode()[:-1]
        assemble.normalizer({"type": "Precompiled", "precompiled_charsmap": encoded})


def _models(source: Random) -> None:
    """A model by itself, of words that are any bytes, and ids that nobody has."""
    made = make.model(source)
    with clean(ValueError, TypeError):
        model = assemble.model(made, byte_level=source.random() < 0.3)
        for _ in range(8):
            word = source.choice((make.text(source), make.any_bytes(source)))
            with clean(ValueError):
                for token_id, (start, end) in model.tokenize(word):
                    assert model.id_to_token(token_id) is not None
                    assert start <= end <= len(word if isinstance(word, bytes) else word.encode())
        with clean(TypeError):
            model.id_to_token(make.number(source))
        model.token_to_id(make.text(source, 3))


def _training(source: Random) -> None:
    """Vocabularies learned from few random words, with options that may make no sense."""
    counter = _engine.WordCounter()
    for _ in range(source.choice((0, 1, 5, 60))):
        with clean(ValueError, TypeError):
            word = source.choice((make.text(source, 9), make.any_bytes(source)))
            counter.add(word, source.choice((1, 1, 2, 7, make.number(source))))
    limits: dict[str, Any] = {"special_tokens": source.sample(make.WORDS, k=source.randint(0, 3))}
    limits["initial_alphabet"] = source.sample(["a", "é", "", "ab", "\ud800"], source.randint(0, 1))
    bounds: dict[str, Any] = {"min_frequency": make.number(source)}
    bounds["limit_alphabet"] = make.number(source)
    size = source.choice((make.number(source), source.randint(0, 300)))
    with clean(ValueError, TypeError):
        longest = source.choice((None, make.number(source)))
        byte_level = source.random() < 0.5
        _engine.train_bpe(
            counter, size, max_token_length=longest, byte_level=byte_level, **bounds, **limits
        )
    with clean(ValueError, TypeError):
        _engine.train_wordpiece(counter, size, **bounds, **limits)
    with clean(ValueError, TypeError):
        _engine.train_unigram(
            counter,
            size,
            unk_token=source.choice((None, "<unk>", "")),
            max_piece_length=make.number(source),
            shrinking_factor=source.choice((0.75, 0.75, 0.0, 1.0, -1.0, 0.99, float("nan"))),
            n_sub_iterations=source.choice((0, 1, 2)),
            seed_size=source.choice((10, 1000, make.number(source))),
            **limits,
        )
    texts = [make.text(source) for _ in range(source.choice((1, 9)))]
    kind = source.choice(get_args(Kind))
    with clean():
        size = source.choice((make.number(source), 60, 400))
        trained = graft.Tokenizer.train(texts, kind, vocab_size=size, min_frequency=1)
        _encode(source, trained, texts, None)
