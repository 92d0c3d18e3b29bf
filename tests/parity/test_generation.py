"""Generation writes what the oracle's does, token for token, from prompts of unequal lengths."""

from pathlib import Path
from typing import Any

import pytest
import tokenizers
import torch
import transformers
from oracle import build

import graft
from graft.models.generation import Generated

END = 7
SHARED: dict[str, Any] = {"vocab_size": 60, "eos_token_id": END, "pad_token_id": 0}
SMALL: dict[str, Any] = {
    **SHARED,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "initializer_range": 0.3,
}
PAIR: dict[str, Any] = {
    **SHARED,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 40,
    "max_position_embeddings": 64,
    "init_std": 0.3,
    "bos_token_id": 1,
    "decoder_start_token_id": 2,
}
T5: dict[str, Any] = {
    **SHARED,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 40,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 12,
    "initializer_factor": 3.0,
    "decoder_start_token_id": 0,
}
GPT2: dict[str, Any] = {
    **SHARED,
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "n_positions": 64,
    "initializer_range": 0.3,
}
MODELS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "llama": ("LlamaForCausalLM", "LlamaConfig", SMALL),
    "gpt2": ("GPT2LMHeadModel", "GPT2Config", GPT2),
    "a window": ("MistralForCausalLM", "MistralConfig", {**SMALL, "sliding_window": 5}),
    "caps": ("Gemma2ForCausalLM", "Gemma2Config", {**SMALL, "head_dim": 8, "sliding_window": 4}),
    "t5": ("T5ForConditionalGeneration", "T5Config", T5),
    "bart": ("BartForConditionalGeneration", "BartConfig", {**PAIR, "forced_eos_token_id": END}),
}
PROMPTS = [[3, 4, 5], [9], [11, 12, 13, 14, 15, 16, 17, 18, 19], [20, 21, 22, 23], [4, 4, 5]]
OPTIONS: dict[str, dict[str, Any]] = {
    "greedy": {},
    "several ends": {"eos_token_id": [END, 3, 11, 25, 43, 53]},
    "repetition penalty": {"repetition_penalty": 1.7},
    "below one": {"repetition_penalty": 0.8},
    "no bigrams anew": {"no_repeat_ngram_size": 2},
    "no token anew": {"no_repeat_ngram_size": 1},
    "at least": {"min_new_tokens": 9, "eos_token_id": [END, 3, 11, 25, 43, 53]},
    "bad words": {"bad_words_ids": [[3], [43, 8], [END]]},
    "suppressed": {"suppress_tokens": [14, 25], "begin_suppress_tokens": [43, 50]},
    "beams": {"num_beams": 3},
    "short beams": {"num_beams": 4, "length_penalty": -1.0, "num_return_sequences": 3},
    "long beams": {"num_beams": 4, "length_penalty": 2.0, "num_return_sequences": 2},
    "beams that stop early": {"num_beams": 4, "early_stopping": True, "no_repeat_ngram_size": 2},
    "beams that never do": {
        "num_beams": 4,
        "early_stopping": "never",
        "length_penalty": 1.5,
        "repetition_penalty": 1.3,
    },
    "beams with several ends": {
        "num_beams": 3,
        "eos_token_id": [END, 25, 43],
        "num_return_sequences": 3,
    },
    "beams of even odds": {"num_beams": 2, "repetition_penalty": 1.4, "renormalize_logits": True},
}


GROWING: dict[str, Any] = {
    **SMALL,
    "max_position_embeddings": 8,
    "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
}


def make(name: str, folder: Path) -> tuple[Any, graft.Model]:
    """The oracle's model, and ours of its files."""
    kind, shape, settings = MODELS[name]
    config = getattr(transformers, shape)(**settings)
    oracle = build(getattr(transformers, kind), config)
    oracle.save_pretrained(folder)
    return oracle, graft.Model.from_pretrained(folder)


def written(oracle: Any, prompt: list[int], **options: Any) -> list[tuple[list[int], float | None]]:
    """What the oracle writes after a prompt, and the scores of its beams.

    Alone: on several it counts the padding before a prompt among its n-grams.
    """
    output = oracle.generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
        return_dict_in_generate=True,
        output_scores=True,
        **options,
    )
    start = 1 if oracle.config.is_encoder_decoder else len(prompt)
    ends = options.get("eos_token_id", END)
    ends = ends if isinstance(ends, list) else [ends]
    rows = [until(row, ends) for row in output.sequences[:, start:].tolist()]
    scores = getattr(output, "sequences_scores", None)
    return list(zip(rows, [None] * len(rows) if scores is None else scores.tolist(), strict=True))


def until(ids: list[int], ends: list[int]) -> list[int]:
    """Tokens to the first that ends a text."""
    stop = next((place + 1 for place, token in enumerate(ids) if token in ends), len(ids))
    return ids[:stop]


@pytest.mark.parametrize("name", MODELS)
def test_the_same_tokens(tmp_path: Path, name: str) -> None:
    oracle, model = make(name, tmp_path)
    reasons = set()
    for case, options in OPTIONS.items():
        found = model.generate(PROMPTS, max_new_tokens=12, **options)
        count = options.get("num_return_sequences", 1)
        for number, prompt in enumerate(PROMPTS):
            wanted = written(oracle, prompt, max_new_tokens=12, **options)
            ours = found[number * count : (number + 1) * count]
            assert [list(text.ids) for text in ours] == [ids for ids, _ in wanted], (case, number)
            assert {text.prompt for text in ours} == {number}
            for text, (_, score) in zip(ours, wanted, strict=True):
                assert score is None or text.score == pytest.approx(score, rel=1e-4)
        reasons |= {text.reason for text in found}
    forced = model.generation.forced_eos_token_id
    assert reasons == ({"eos"} if forced else {"eos", "length"})


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"repetition_penalty": 1.5}], ids=str)
def test_the_same_as_of_padded_prompts(tmp_path: Path, options: dict[str, Any]) -> None:
    oracle, model = make("llama", tmp_path)
    longest = max(map(len, PROMPTS))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in PROMPTS])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in PROMPTS])
    output = oracle.generate(ids, attention_mask=mask, max_new_tokens=12, **options)
    wanted = [until(row, [END]) for row in output[:, longest:].tolist()]
    found = model.generate(PROMPTS, max_new_tokens=12, **options)
    assert [list(text.ids) for text in found] == wanted


@pytest.mark.parametrize("options", [{}, {"num_beams": 3, "num_return_sequences": 2}], ids=str)
def test_rotations_that_slow_down_as_a_text_grows(tmp_path: Path, options: dict[str, Any]) -> None:
    oracle = build(transformers.LlamaForCausalLM, transformers.LlamaConfig(**GROWING))
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    # Only a prompt within the positions of the training makes the oracle forget the one before.
    prompts = [prompt for prompt in PROMPTS if len(prompt) < 8]
    found = model.generate(prompts, max_new_tokens=12, **options)
    wanted = [written(oracle, prompt, max_new_tokens=12, **options) for prompt in prompts]
    assert [list(text.ids) for text in found] == [ids for texts in wanted for ids, _ in texts]


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_lengths_that_count_the_prompt(tmp_path: Path, name: str) -> None:
    oracle, model = make(name, tmp_path)
    options = {"max_length": 14, "min_length": 13, "eos_token_id": [END, 3, 11, 25, 43, 53]}
    found = model.generate(PROMPTS, **options)
    wanted = [written(oracle, prompt, **options)[0][0] for prompt in PROMPTS]
    assert [list(text.ids) for text in found] == wanted


def test_a_sources_own_ngrams(tmp_path: Path) -> None:
    oracle, model = make("bart", tmp_path)
    free = model.generate(PROMPTS, max_new_tokens=10)
    sources = [list(text.ids) for text in free]
    options = {"max_new_tokens": 10, "encoder_no_repeat_ngram_size": 2}
    wanted = [written(oracle, source, **options)[0][0] for source in sources]
    assert [list(text.ids) for text in model.generate(sources, **options)] == wanted


def test_a_first_token_that_is_forced(tmp_path: Path) -> None:
    oracle, model = make("bart", tmp_path)
    options = {"max_new_tokens": 8, "forced_bos_token_id": 31, "begin_suppress_tokens": [43, 50]}
    found = model.generate(PROMPTS, **options)
    assert {text.ids[0] for text in found} == {31}
    wanted = [written(oracle, prompt, **options)[0][0] for prompt in PROMPTS]
    assert [list(text.ids) for text in found] == wanted


@pytest.mark.parametrize("beams", [1, 3])
def test_only_what_is_allowed(tmp_path: Path, beams: int) -> None:
    oracle, model = make("llama", tmp_path)

    def allowed(row: int, ids: list[int]) -> list[int]:
        """Tokens of the other half of the vocabulary than the last one's."""
        return list(range(30)) if ids[-1] >= 30 else [END, *range(30 + row, 60)]

    options = {"max_new_tokens": 10, "num_beams": beams}
    found = model.generate(PROMPTS, allowed_tokens=allowed, **options)
    for number, prompt in enumerate(PROMPTS):

        def theirs(_: int, ids: torch.Tensor, number: int = number) -> list[int]:
            return allowed(number, ids.tolist())

        (wanted, _), *_ = written(oracle, prompt, prefix_allowed_tokens_fn=theirs, **options)
        assert list(found[number].ids) == wanted


def letters() -> Any:
    """A tokenizer whose tokens are one or two letters, which follow each other without a gap."""
    some = "abcdefg"
    words = [*some, *(first + second for first in some for second in some), "h", "i", "j", "k"]
    model = tokenizers.models.BPE({word: number for number, word in enumerate(words)}, [])
    raw = tokenizers.Tokenizer(model)
    raw.decoder = tokenizers.decoders.Fuse()
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw)


@pytest.mark.parametrize("cut", [(0, 6), (1, 5), (4, 5), (5, 9)], ids=str)
def test_strings_that_end_a_text(tmp_path: Path, cut: tuple[int, int]) -> None:
    """Also where they begin or end within a token."""
    oracle, model = make("llama", tmp_path)
    tokenizer = letters()
    (free,) = model.generate(PROMPTS[:1], max_new_tokens=12, eos_token_id=None)
    stop = [tokenizer.decode(free.ids)[slice(*cut)], "never there"]
    options = {"max_new_tokens": 12, "eos_token_id": None}
    found = model.generate(PROMPTS, stop=stop, decode=tokenizer.decode, **options)
    for number, prompt in enumerate(PROMPTS):
        output = oracle.generate(
            torch.tensor([prompt]), stop_strings=stop, tokenizer=tokenizer, **options
        )
        assert list(found[number].ids) == output[0, len(prompt) :].tolist()
    assert found[0].reason == "stop"
    assert len(found[0].ids) < 12


def test_the_files_defaults(tmp_path: Path) -> None:
    """`generation_config.json` says how a model writes where the call does not."""
    oracle, _ = make("llama", tmp_path)
    oracle.generation_config.num_beams = 3
    oracle.generation_config.length_penalty = 0.3
    oracle.generation_config.max_new_tokens = 9
    oracle.generation_config.eos_token_id = [END, 25]
    oracle.save_pretrained(tmp_path)
    model = graft.Model.from_pretrained(tmp_path)
    wanted = [written(oracle, prompt)[0][0] for prompt in PROMPTS]
    wanted = [until(ids, [END, 25]) for ids in wanted]
    assert [list(text.ids) for text in model.generate(PROMPTS)] == wanted


def test_our_file_loads_there(tmp_path: Path) -> None:
    _, model = make("llama", tmp_path)
    options = {"num_beams": 4, "bad_words_ids": [[3, 4]], "eos_token_id": [END, 9], "top_k": 0}
    model.generation = model.generation.with_options(options)
    model.save_pretrained(tmp_path / "ours")
    there = transformers.GenerationConfig.from_pretrained(tmp_path / "ours")
    assert {name: getattr(there, name) for name in options} == options
    again = graft.Model.from_pretrained(tmp_path / "ours")
    assert again.generation == model.generation


def test_the_score_of_a_text(tmp_path: Path) -> None:
    """The log probability that the oracle gives it."""
    oracle, model = make("gpt2", tmp_path)
    text: Generated
    for text in model.generate(PROMPTS, max_new_tokens=8, repetition_penalty=1.5):
        prompt = PROMPTS[text.prompt]
        with torch.inference_mode():
            logits = oracle(torch.tensor([[*prompt, *text.ids]])).logits[0].log_softmax(-1)
        tokens = torch.tensor(text.ids)
        wanted = logits[len(prompt) - 1 : -1].gather(1, tokens[:, None]).sum()
        assert text.score == pytest.approx(float(wanted), rel=1e-4)
