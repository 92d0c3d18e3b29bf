"""What a user can rely on when a model writes."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import torch

from graft.errors import ModelError
from graft.models.config import Config, Norm, Rotary, Vocabulary
from graft.models.generation import GenerationConfig
from graft.models.model import Model

END = 7
ENDS = list(range(0, 50, 6))  # so many that texts end at different steps
SPECIAL: dict[str, Any] = {"eos_token_id": END, "bos_token_id": 1, "decoder_start_token_id": 2}
DECODER = Config(
    family="llama",
    vocab_size=50,
    hidden_size=32,
    layers=3,
    heads=4,
    key_heads=2,
    intermediate_size=48,
    max_positions=64,
    causal=True,
    embedding_norm=False,
    positions="none",
    rotary=Rotary(),
    windows=(None, 6, None),
    norm=Norm("rms", "before", 1e-6),
    final_norm=True,
    dropout=0.1,
    init_std=0.4,
    vocabulary=Vocabulary(tied=False),
    special=SPECIAL,
)
PROMPTS = [[3, 4, 5], [9], list(range(10, 35)), [20, 21, 22, 23], list(range(40, 48))]


def make_model(config: Config = DECODER) -> Model:
    task = "text-generation" if config.decoder is None else "text2text-generation"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Model(config, task).eval()


def make_pair() -> Model:
    shape = replace(DECODER, positions="learned", rotary=None, windows=(), family="bart")
    decoder = replace(shape, cross=True, key_heads=None)
    return make_model(replace(shape, causal=False, key_heads=None, layers=2, decoder=decoder))


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model()


@pytest.fixture(scope="module")
def pair() -> Model:
    return make_pair()


def ids_of(texts: Any) -> list[tuple[int, ...]]:
    return [text.ids for text in texts]


class TestPackedEqualsAlone:
    @pytest.mark.parametrize(
        "options",
        [
            {},
            {"repetition_penalty": 1.3, "no_repeat_ngram_size": 3, "min_new_tokens": 4},
            {"num_beams": 3, "num_return_sequences": 2, "length_penalty": 0.5},
            {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.7},
            {"no_repeat_ngram_size": 2, "num_beams": 2, "early_stopping": True},
        ],
        ids=str,
    )
    @pytest.mark.parametrize("kind", ["model", "pair"])
    def test_of_what_is_likeliest(
        self, kind: str, options: dict[str, Any], request: pytest.FixtureRequest
    ) -> None:
        model = request.getfixturevalue(kind)
        options = {"max_new_tokens": 15, "eos_token_id": ENDS, **options}
        together = model.generate(PROMPTS, **options)
        alone = [text for prompt in PROMPTS for text in model.generate([prompt], **options)]
        assert ids_of(together) == ids_of(alone)
        scores = [[text.score for text in texts] for texts in (together, alone)]
        assert scores[0] == pytest.approx(scores[1], rel=1e-5)
        assert len({len(text.ids) for text in together}) > 1  # some left before others

    def test_of_what_is_drawn(self, model: Model) -> None:
        options = {"max_new_tokens": 12, "do_sample": True, "num_return_sequences": 2}
        together = model.generate(PROMPTS, seed=5, **options)
        for number, prompt in enumerate(PROMPTS):
            alone = model.generate([prompt], seed=5 + 2 * number, **options)
            assert ids_of(alone) == ids_of(together[2 * number : 2 * number + 2])

    def test_of_beams_that_are_drawn(self, pair: Model) -> None:
        options = {"max_new_tokens": 12, "do_sample": True, "num_beams": 3, "temperature": 2.0}
        together = pair.generate(PROMPTS, seed=5, **options)
        for number, prompt in enumerate(PROMPTS):
            alone = pair.generate([prompt], seed=5 + number, **options)
            assert ids_of(alone) == ids_of(together[number : number + 1])


class TestDrawing:
    def test_a_seed_gives_the_same(self, model: Model) -> None:
        options = {"max_new_tokens": 20, "do_sample": True, "temperature": 1.5}
        first = model.generate(PROMPTS, seed=3, **options)
        torch.manual_seed(12345)
        assert ids_of(model.generate(PROMPTS, seed=3, **options)) == ids_of(first)
        assert ids_of(model.generate(PROMPTS, seed=4, **options)) != ids_of(first)
        unseeded = [ids_of(model.generate(PROMPTS, **options)) for _ in range(2)]
        assert unseeded[0] != unseeded[1]

    @pytest.mark.parametrize("temperature", [1e-6, 1e-38, 5e-324])
    def test_next_to_no_temperature_it_is_the_likeliest(
        self, model: Model, temperature: float
    ) -> None:
        options = {"max_new_tokens": 8}
        drawn = model.generate(PROMPTS, do_sample=True, temperature=temperature, **options)
        assert ids_of(drawn) == ids_of(model.generate(PROMPTS, **options))

    def test_the_global_generator_is_left_alone(self, model: Model) -> None:
        torch.manual_seed(0)
        expected = torch.rand(3)
        torch.manual_seed(0)
        model.generate(PROMPTS, max_new_tokens=3, do_sample=True)
        assert torch.equal(torch.rand(3), expected)

    def test_tokens_come_as_often_as_the_model_says(self, model: Model) -> None:
        prompt, times = [3, 4, 5], 3000
        texts = model.generate(
            [prompt] * 10,
            max_new_tokens=1,
            do_sample=True,
            temperature=3.0,
            top_k=6,
            num_return_sequences=times // 10,
            seed=0,
        )
        counts = Counter(text.ids[0] for text in texts)
        (likeliest,) = model.generate([prompt], max_new_tokens=1)
        assert len(counts) == 6
        assert counts.most_common(1)[0][0] == likeliest.ids[0]
        scores = {text.ids[0]: text.score for text in texts}
        weights = {token: torch.tensor(score / 3.0).exp() for token, score in scores.items()}
        total = sum(weights.values())
        fit = sum(
            (counts[token] - times * weight / total) ** 2 / (times * weight / total)
            for token, weight in weights.items()
        )
        assert float(fit) < 20.5  # 99.9% of chi squared with five degrees of freedom


class TestStreaming:
    @pytest.mark.parametrize("kind", ["model", "pair"])
    def test_gives_what_generate_gives(self, kind: str, request: pytest.FixtureRequest) -> None:
        model = request.getfixturevalue(kind)
        options = {"max_new_tokens": 15, "eos_token_id": ENDS}
        written: dict[int, list[int]] = {}
        sizes = []
        for step in model.stream(PROMPTS, **options):
            sizes.append(len(step))
            for text, token in step.items():
                written.setdefault(text, []).append(token)
        found = model.generate(PROMPTS, **options)
        assert [tuple(written[text]) for text in sorted(written)] == ids_of(found)
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] == len(PROMPTS) > sizes[-1]

    def test_tokens_come_one_at_a_time(self, model: Model) -> None:
        """The next pass runs when its token is asked for; gradients stay on between."""
        stream = model.stream([[3, 4]], max_new_tokens=50, eos_token_id=None)
        assert len(next(stream)) == 1
        assert torch.is_grad_enabled()
        stream.close()

    def test_what_makes_no_sense_is_refused_at_once(self, model: Model) -> None:
        with pytest.raises(ModelError, match="only at its end"):
            model.stream(PROMPTS, num_beams=2)
        with pytest.raises(ModelError, match="Prompt 0 has token 50"):
            model.stream([[50]])


class TestStopStrings:
    @staticmethod
    def decode(ids: list[int]) -> str:
        return " ".join(f"w{token}" for token in ids)

    @pytest.mark.parametrize("beams", [1, 3])
    def test_end_a_text(self, model: Model, beams: int) -> None:
        options = {
            "max_new_tokens": 15,
            "eos_token_id": None,
            "num_beams": beams,
            "length_penalty": -1.0,
        }
        (free,) = model.generate(PROMPTS[:1], **options)
        stop = self.decode(list(free.ids[4:6]))
        found = model.generate(PROMPTS, stop=[stop, "never"], decode=self.decode, **options)
        assert any(text.reason == "stop" for text in found)
        for text in found:
            assert (stop in self.decode(list(text.ids))) == (text.reason == "stop")
            assert stop not in self.decode(list(text.ids[:-1]))
        if beams == 1:
            assert found[0].ids == free.ids[:6]

    def test_need_a_decoder(self, model: Model) -> None:
        with pytest.raises(ModelError, match="decode="):
            model.generate(PROMPTS, stop=["."])
        with pytest.raises(ModelError, match="empty"):
            model.generate(PROMPTS, stop=["a", ""], decode=self.decode)


class TestBeams:
    def test_more_beams_find_likelier_texts(self, model: Model) -> None:
        options = {"max_new_tokens": 6, "length_penalty": 0.0, "eos_token_id": None}
        scores = [
            [text.score for text in model.generate(PROMPTS, num_beams=beams, **options)]
            for beams in (1, 2, 50)
        ]
        for few, many in zip(scores[0], scores[2], strict=True):
            assert many >= few - 1e-4
        assert sum(scores[2]) > sum(scores[0])

    def test_all_hypotheses_of_two_tokens(self, model: Model) -> None:
        """With a beam for each token there is, two steps are an exhaustive search."""
        prompt = PROMPTS[0]
        texts = model.generate(
            [prompt],
            max_new_tokens=2,
            num_beams=50,
            num_return_sequences=50,
            eos_token_id=None,
            length_penalty=0.0,
        )
        firsts = model.generate(
            [prompt], max_new_tokens=1, num_beams=50, num_return_sequences=50, length_penalty=0.0
        )
        pairs = {}
        for first in firsts:
            seconds = model.generate(
                [[*prompt, *first.ids]],
                max_new_tokens=1,
                num_beams=50,
                num_return_sequences=50,
                length_penalty=0.0,
            )
            pairs |= {(*first.ids, *one.ids): first.score + one.score for one in seconds}
        best = sorted(pairs, key=lambda ids: -pairs[ids])[:50]
        assert ids_of(texts) == best

    def test_groups_are_kept_apart(self, model: Model) -> None:
        """Without a penalty groups find the same; with a large one their first tokens differ."""
        options = {
            "max_new_tokens": 8,
            "num_beams": 4,
            "num_beam_groups": 4,
            "num_return_sequences": 4,
            "eos_token_id": None,
        }
        same = model.generate(PROMPTS, **options)
        likeliest = model.generate(PROMPTS, max_new_tokens=8, eos_token_id=None)
        apart = model.generate(PROMPTS, diversity_penalty=100.0, **options)
        for number in range(len(PROMPTS)):
            texts = slice(4 * number, 4 * number + 4)
            assert set(ids_of(same[texts])) == {likeliest[number].ids}
            for step in range(8):
                assert len({text.ids[step] for text in apart[texts]}) == 4
            assert likeliest[number].ids in ids_of(apart[texts])

    def test_the_best_first(self, model: Model) -> None:
        texts = model.generate(PROMPTS, max_new_tokens=9, num_beams=5, num_return_sequences=5)
        for number in range(len(PROMPTS)):
            scores = [text.score for text in texts[5 * number : 5 * number + 5]]
            assert scores == sorted(scores, reverse=True)
            assert len(set(ids_of(texts[5 * number : 5 * number + 5]))) == 5

    def test_more_beams_than_tokens(self, model: Model) -> None:
        """All texts of one token, each once, and the best ones of more."""
        options = {"num_beams": 60, "num_return_sequences": 60, "eos_token_id": None}
        texts = model.generate([[3]], max_new_tokens=1, **options)
        assert sorted(ids_of(texts)) == [(token,) for token in range(50)]
        longer = model.generate([[3]], max_new_tokens=3, **options)
        assert len(set(ids_of(longer))) == 60


TRIE = {(3, 4): [5, 6], (5,): [END, 8], (6,): [9], (5, 8): [END]}
"""What may come after which tokens behind a prompt of two: two texts, and a way that ends dead."""


def in_trie(_: int, ids: list[int]) -> list[int]:
    return TRIE.get(tuple(ids) if len(ids) == 2 else tuple(ids[2:]), [])


class TestOnlyWhatIsAllowed:
    @pytest.mark.parametrize(
        "options",
        [
            {"num_beams": 2},
            {"num_beams": 6, "renormalize_logits": True},
            {"num_beams": 4, "num_beam_groups": 2, "diversity_penalty": 0.5},
            {"num_beams": 4, "do_sample": True, "top_p": 0.9, "seed": 3},
            {"num_beams": 4, "early_stopping": True, "no_repeat_ngram_size": 3},
        ],
        ids=str,
    )
    def test_a_search_finds_the_texts_that_there_are(
        self, model: Model, options: dict[str, Any]
    ) -> None:
        texts = model.generate(
            [[3, 4], [3, 4]],
            max_new_tokens=8,
            allowed_tokens=in_trie,
            num_return_sequences=options["num_beams"],
            **options,
        )
        for number in range(2):
            found = [text.ids for text in texts if text.prompt == number]
            assert set(found) == {(5, END), (5, 8, END)}
            # Each group looks for them on its own.
            assert len(found) == 2 * options.get("num_beam_groups", 1)

    @pytest.mark.parametrize("options", [{}, {"do_sample": True}, {"num_beams": 3}], ids=str)
    def test_nothing_is_allowed(self, model: Model, options: dict[str, Any]) -> None:
        with pytest.raises(ModelError, match=r"after \[3, 4, 5\] of prompt 0: allowed_tokens"):
            model.generate(PROMPTS[:1], allowed_tokens=lambda _, __: [], **options)
        with pytest.raises(ModelError, match="rule all tokens out"):
            model.generate(PROMPTS, suppress_tokens=range(50), **options)

    def test_tokens_that_there_are_not(self, model: Model) -> None:
        for token in (50, -1):
            with pytest.raises(ModelError, match=f"allowed_tokens names token {token}"):
                model.generate(PROMPTS, allowed_tokens=lambda _, __, token=token: [token])


class TestWhatIsRun:
    def test_the_encoder_once(self, pair: Model) -> None:
        runs = []
        handle = pair.body.encoder.register_forward_hook(lambda *_: runs.append(1))
        try:
            pair.generate(PROMPTS, max_new_tokens=6, num_beams=3, eos_token_id=None)
        finally:
            handle.remove()
        assert len(runs) == 1

    def test_finished_texts_no_more(self, model: Model) -> None:
        tokens = []
        handle = model.body.register_forward_hook(
            lambda _, __, states: tokens.append(states.shape[0])
        )
        try:
            texts = model.generate(PROMPTS, max_new_tokens=15, eos_token_id=ENDS)
        finally:
            handle.remove()
        lengths = [len(text.ids) for text in texts]
        # The last token of a text is not read, and prompts are read whole.
        expected = [sum(map(len, PROMPTS))]
        expected += [sum(length > step for length in lengths) for step in range(1, max(lengths))]
        assert tokens == expected

    def test_a_model_in_training_stays_so(self) -> None:
        model = make_model().train()
        first = model.generate(PROMPTS, max_new_tokens=5)
        assert model.training
        assert ids_of(model.generate(PROMPTS, max_new_tokens=5)) == ids_of(first)

    def test_parts_that_are_frozen_stay_so(self) -> None:
        model = make_model().train()
        model.body.embeddings.eval()
        before = {name: part.training for name, part in model.named_modules()}
        model.generate(PROMPTS, max_new_tokens=2)
        assert {name: part.training for name, part in model.named_modules()} == before

    @pytest.mark.parametrize("beams", [1, 3])
    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
    def test_models_of_other_dtypes(self, dtype: torch.dtype, beams: int) -> None:
        for model in (make_model().to(dtype), make_pair().to(dtype)):
            texts = model.generate(PROMPTS, max_new_tokens=6, num_beams=beams, eos_token_id=None)
            assert [len(text.ids) for text in texts] == [6] * len(PROMPTS)
            if dtype == torch.float64:
                single = model.float().generate(
                    PROMPTS, max_new_tokens=6, num_beams=beams, eos_token_id=None
                )
                assert ids_of(single) == ids_of(texts)

    def test_under_autocast(self, model: Model) -> None:
        with torch.autocast("cpu", torch.bfloat16):
            texts = model.generate(PROMPTS, max_new_tokens=6, eos_token_id=None)
        assert [len(text.ids) for text in texts] == [6] * len(PROMPTS)


class TestRefusals:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"temperature": 0}, "temperature is 0"),
            ({"temperature": "hot"}, "temperature is 'hot'"),
            ({"top_p": 1.5}, "top_p is 1.5"),
            ({"top_k": -1}, "top_k is -1"),
            ({"num_beams": 0}, "num_beams is 0"),
            ({"num_beams": 4, "num_beam_groups": 3}, "multiple of num_beam_groups"),
            ({"num_beams": 2, "num_return_sequences": 3}, "at most num_beams"),
            ({"num_return_sequences": 3}, "do_sample=True or num_beams"),
            ({"early_stopping": "soon"}, "'never'"),
            ({"max_tokens": 3}, "no option max_tokens"),
            ({"top_k": 2.5}, "top_k is 2.5; it must be a whole number"),
            ({"num_beams": 2.0}, "num_beams is 2.0"),
            ({"max_new_tokens": True}, "max_new_tokens is True"),
            ({"length_penalty": float("nan")}, "length_penalty is nan; it must be a number"),
            ({"length_penalty": "long"}, "length_penalty is 'long'"),
            ({"temperature": float("inf")}, "temperature is inf"),
            ({"do_sample": "no"}, "do_sample is 'no'; it is True or False"),
            ({"seed": "now"}, "seed is 'now'"),
            ({"seed": 2**70}, "seed is 1180591620717411303424"),
            ({"eos_token_id": "x"}, "eos_token_id is 'x'; it must be token ids"),
            ({"suppress_tokens": [1.5]}, r"suppress_tokens is \[1.5\]"),
            ({"bad_words_ids": [1]}, "lists of token ids, one a word"),
            ({"forced_bos_token_id": 50}, "forced_bos_token_id names token 50"),
            ({"bad_words_ids": [[50]]}, "token 50"),
            ({"bad_words_ids": [[]]}, "no tokens"),
            ({"max_new_tokens": 0}, "max_new_tokens is 0"),
            ({"max_length": 20}, "Prompt 2 has 25 tokens"),
        ],
        ids=str,
    )
    def test_options_that_make_no_sense(
        self, model: Model, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(ModelError, match=message):
            model.generate(PROMPTS, **options)

    def test_prompts_that_are_none(self, model: Model) -> None:
        with pytest.raises(ModelError, match="There are no prompts"):
            model.generate([])
        with pytest.raises(ModelError, match="Prompt 1 has token 50"):
            model.generate([[3], [4, 50]])
        with pytest.raises(ModelError, match="Prompt 1 is empty"):
            model.generate([[3], []], bos_token_id=None)
        for flat in ([3, 4], "Hello", ["Hello"]):
            with pytest.raises(ModelError, match="lists of token ids, one a text"):
                model.generate(flat)
        begun = model.generate([[]], max_new_tokens=3)
        assert ids_of(begun) == ids_of(model.generate([[1]], max_new_tokens=3))

    def test_longer_than_there_are_positions(self) -> None:
        learned = make_model(replace(DECODER, positions="learned", rotary=None, family="gpt2"))
        fits = learned.generate([[3] * 60], max_new_tokens=5, eos_token_id=None)
        assert len(fits[0].ids) == 5
        with pytest.raises(ModelError, match="Prompt 0 has 60 tokens, and 6 more"):
            learned.generate([[3] * 60], max_new_tokens=6)

    def test_models_that_do_not_write(self) -> None:
        body = Model(DECODER)
        with pytest.raises(ModelError, match="does not write"):
            body.generate(PROMPTS)

    def test_a_start_that_there_is_not(self, pair: Model) -> None:
        with pytest.raises(ModelError, match="decoder_start_token_id names token 50"):
            pair.generate(PROMPTS, decoder_start_token_id=50)

    def test_one_token_where_there_may_be_several(self) -> None:
        config = GenerationConfig(eos_token_id=END, bad_words_ids=[[3]])  # type: ignore[arg-type]
        assert (config.eos_token_id, config.bad_words_ids) == ((END,), ((3,),))

    def test_a_file_that_asks_for_more(self, model: Model) -> None:
        settings = {"guidance_scale": 3.0, "eos_token_id": 2, "transformers_version": "5"}
        config = GenerationConfig.from_settings(settings)
        assert config.eos_token_id == (2,)
        assert config.settings() == {**settings, "eos_token_id": [2]}
        asking = make_model()
        asking.generation = config
        with pytest.raises(ModelError, match="guidance_scale"):
            asking.generate(PROMPTS)
