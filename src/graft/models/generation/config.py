"""How text is generated: the options, by their names in `generation_config.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, Self

from graft.errors import ModelError
from graft.files import read_settings

FILE = "generation_config.json"

_NO_EFFECT: dict[str, tuple[Any, ...]] = {
    "constraints": (),
    "dola_layers": (),
    "encoder_repetition_penalty": (1.0,),
    "exponential_decay_length_penalty": (),
    "force_words_ids": (),
    "guidance_scale": (1.0,),
    "max_time": (),
    "penalty_alpha": (0.0,),
    "sequence_bias": (),
    "stop_strings": (),
    "top_h": (),
    "watermarking_config": (),
}
"""Options of such files that Graft lacks, and the values with which they change nothing."""

Ids = tuple[int, ...]


@dataclass(frozen=True)
class GenerationConfig:
    """The options of `Model.generate`, named as the field names them.

    Attributes:
        max_new_tokens: The most tokens to write; None where `max_length` says it.
        max_length: The most tokens of a prompt (an encoder-decoder's start token) and what is
            written together; read where `max_new_tokens` is None.
        min_new_tokens: The fewest tokens to write before the text may end.
        min_length: The fewest of prompt and text together.
        do_sample: Whether tokens are drawn, or the likeliest is taken.
        temperature: Logits are divided by it before tokens are drawn.
        top_k: So many of the likeliest tokens are drawn from; 0 for all.
        top_p: The likeliest tokens that together have this probability are (Holtzman et al., 2020).
        min_p: Those with at least this share of the likeliest one's (Nguyen et al., 2024).
        typical_p: Those nearest to the expected information (Meister et al., 2022).
        epsilon_cutoff: Those with at least this probability (Hewitt et al., 2022); 0 for all.
        eta_cutoff: The same, lower where the distribution is flat; 0 for all.
        num_beams: Hypotheses that are followed at once; 1 for no search.
        num_beam_groups: Groups that they are in, each kept apart from those before it (Vijayakumar
            et al., 2016).
        diversity_penalty: Taken off a token's score for each hypothesis of an earlier group that
            has chosen it.
        length_penalty: A finished hypothesis' score is divided by its length to this power.
        early_stopping: True: the search ends with as many finished hypotheses as beams; False: once
            none is likely to be better; "never": once none can be.
        num_return_sequences: How many texts for each prompt; a search gives fewer where rules leave
            no more.
        repetition_penalty: Scores of tokens that were there are divided by it, or multiplied where
            they are below zero (Keskar et al., 2019).
        no_repeat_ngram_size: Tokens that would make an n-gram of this size anew are not chosen.
        encoder_no_repeat_ngram_size: The same of n-grams of an encoder's text.
        bad_words_ids: Sequences of tokens that are never written.
        suppress_tokens: Tokens that are never written.
        begin_suppress_tokens: Tokens that are not written first.
        renormalize_logits: Whether scores are made log probabilities again after all of this.
        forced_bos_token_id: An encoder-decoder's first token; None for none.
        forced_eos_token_id: What the last token is, where the length ends the text.
        eos_token_id: Tokens that end the text; one, or several.
        pad_token_id: Stands for nothing; kept for the file.
        bos_token_id: The first token where a prompt has none.
        decoder_start_token_id: What an encoder-decoder writes after.
        extra: What a file says beyond this, written back when the model is saved.
        seed: Of what is drawn; None for another one each time. The n-th text is drawn with
            `seed + n`, whatever else is generated with it.
    """

    max_new_tokens: int | None = None
    max_length: int | None = None
    min_new_tokens: int = 0
    min_length: int = 0
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    min_p: float = 0.0
    typical_p: float = 1.0
    epsilon_cutoff: float = 0.0
    eta_cutoff: float = 0.0
    num_beams: int = 1
    num_beam_groups: int = 1
    diversity_penalty: float = 0.0
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    num_return_sequences: int = 1
    repetition_penalty: float = 1.0
    no_repeat_ngram_size: int = 0
    encoder_no_repeat_ngram_size: int = 0
    bad_words_ids: tuple[Ids, ...] = ()
    suppress_tokens: Ids = ()
    begin_suppress_tokens: Ids = ()
    renormalize_logits: bool = False
    forced_bos_token_id: int | None = None
    forced_eos_token_id: Ids = ()
    eos_token_id: Ids = ()
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    decoder_start_token_id: int | None = None
    seed: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks every option.

        Raises:
            ModelError: One makes no sense, alone or with another.
        """
        for name in (*_LISTS, "bad_words_ids"):
            object.__setattr__(self, name, _ids_of(name, getattr(self, name)))
        for name, fewest in _COUNTS.items():
            _check_count(name, getattr(self, name), fewest)
        for name, (least, above) in _NUMBERS.items():
            _check_number(name, getattr(self, name), least, above)
        for name in ("top_p", "typical_p", "min_p", "epsilon_cutoff", "eta_cutoff"):
            if getattr(self, name) > 1:
                raise ModelError(f"{name} is {getattr(self, name)!r}; it is a share, at most 1.")
        for name in ("do_sample", "renormalize_logits"):
            if not isinstance(getattr(self, name), bool):
                raise ModelError(f"{name} is {getattr(self, name)!r}; it is True or False.")
        if self.early_stopping not in (True, False, "never"):
            raise ModelError(
                f"early_stopping is {self.early_stopping!r}; it is True, False or 'never'."
            )
        if self.seed is not None and not (_is_whole(self.seed) and abs(self.seed) < _SEEDS):
            raise ModelError(f"seed is {self.seed!r}; it must be a whole number below 2**63.")
        self._check_counts()

    def _check_counts(self) -> None:
        if self.num_beams % self.num_beam_groups:
            raise ModelError(
                f"{self.num_beams} beams cannot be shared out to {self.num_beam_groups} groups: "
                "num_beams must be a multiple of num_beam_groups."
            )
        if self.num_beams > 1 and self.num_return_sequences > self.num_beams:
            raise ModelError(
                f"{self.num_beams} beams do not give {self.num_return_sequences} texts: "
                "num_return_sequences is at most num_beams."
            )
        if self.num_beams == 1 and not self.do_sample and self.num_return_sequences > 1:
            raise ModelError(
                "The likeliest tokens give one text alone: for several, num_return_sequences goes "
                "with do_sample=True or num_beams."
            )
        if self.num_beam_groups > 1 and self.do_sample:
            raise ModelError("Beams in groups are not drawn: leave do_sample out.")

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """These, with some replaced.

        Raises:
            ModelError: There is no such option, or a value makes no sense.
        """
        unknown = sorted(set(options) - _OPTIONS - {"seed"})
        if unknown:
            raise ModelError(
                f"There is no option {', '.join(unknown)} of generation; there is "
                f"{', '.join(sorted(_OPTIONS))} and seed."
            )
        if options.get("max_length") is not None and "max_new_tokens" not in options:
            options = {**options, "max_new_tokens": None}
        return replace(self, **{name: _plain(name, value) for name, value in options.items()})

    @classmethod
    def from_settings(cls, raw: Mapping[str, Any]) -> Self:
        """The options that a `generation_config.json` says.

        Raises:
            ModelError: They make no sense.
        """
        given = {name: value for name, value in raw.items() if name in _OPTIONS}
        extra = {name: value for name, value in raw.items() if name not in _OPTIONS}
        return cls(extra=extra).with_options(given)

    def settings(self) -> dict[str, Any]:
        """What a `generation_config.json` says of them: those that are not as usual."""
        usual = type(self)()
        values = {name: getattr(self, name) for name in sorted(_OPTIONS)}
        said = {name: value for name, value in values.items() if value != getattr(usual, name)}
        return self.extra | {name: _listed(value) for name, value in said.items()}

    def check_extra(self) -> None:
        """Refuses options of a file that would change what is written, and that Graft lacks.

        Raises:
            ModelError: There is one.
        """
        for name, harmless in _NO_EFFECT.items():
            value = self.extra.get(name)
            if value is not None and value not in harmless:
                raise ModelError(
                    f"{FILE} asks for {name} {value!r}, an option that Graft does not have. To "
                    "generate without it: model.generation = GenerationConfig(...)."
                )

    def most_new(self, prompt: int) -> int:
        """The most tokens to write after a prompt of so many tokens."""
        if self.max_new_tokens is not None:
            return self.max_new_tokens
        return _USUAL_LENGTH if self.max_length is None else self.max_length - prompt


_USUAL_LENGTH = 20  # new tokens where nobody says how many, as the ecosystem has it
_OPTIONS = {entry.name for entry in fields(GenerationConfig)} - {"seed", "extra"}
_LENGTHS = {"max_new_tokens", "max_length"}
_LISTS = {"suppress_tokens", "begin_suppress_tokens", "forced_eos_token_id", "eos_token_id"}
_COUNTS = {
    "max_new_tokens": 1,
    "max_length": 1,
    "min_new_tokens": 0,
    "min_length": 0,
    "top_k": 0,
    "num_beams": 1,
    "num_beam_groups": 1,
    "num_return_sequences": 1,
    "no_repeat_ngram_size": 0,
    "encoder_no_repeat_ngram_size": 0,
}
"""Options that are whole numbers, and the least that each may be."""

_NUMBERS: dict[str, tuple[float, bool]] = {
    "temperature": (0, True),
    "top_p": (0, True),
    "min_p": (0, False),
    "typical_p": (0, True),
    "epsilon_cutoff": (0, False),
    "eta_cutoff": (0, False),
    "diversity_penalty": (0, False),
    "repetition_penalty": (0, True),
    "length_penalty": (-math.inf, True),
}
"""Options that are other numbers, their bounds, and whether these are themselves too small."""

_SEEDS = 2**63


def read_generation_config(folder: Path, settings: Mapping[str, Any]) -> GenerationConfig:
    """The options that a model's folder asks for.

    Args:
        folder: May hold `generation_config.json`.
        settings: Of `config.json`, where old models have them, and the ids of tokens.

    Raises:
        ModelError: The file is damaged, or an option makes no sense.
    """
    path = folder / FILE
    there = path.is_file()
    raw = read_settings(path) if there else {}
    known = (name for name in settings if name in _OPTIONS)
    old = {name: settings[name] for name in known if not there or name.endswith("_token_id")}
    try:
        return GenerationConfig.from_settings({**old, **raw})
    except ModelError as error:
        raise ModelError(f"{path if there else folder / 'config.json'}: {error}") from None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check_count(name: str, value: Any, least: int) -> None:
    if value is None and name in _LENGTHS:
        return
    if not _is_whole(value) or value < least:
        raise ModelError(f"{name} is {value!r}; it must be a whole number of at least {least}.")


def _check_number(name: str, value: Any, least: float, above: bool) -> None:
    number = _is_whole(value) or (isinstance(value, float) and math.isfinite(value))
    if not (number and (value > least or (value == least and not above))):
        bound = f" above {least}" if above else f" of at least {least}"
        bound = "" if math.isinf(least) else bound
        raise ModelError(f"{name} is {value!r}; it must be a number{bound}.")


def _plain(name: str, value: Any) -> Any:
    """A value of a file, or the usual one where it says none."""
    usual = getattr(GenerationConfig(), name)
    return usual if value is None and usual is not None else value


def _ids_of(name: str, value: Any) -> tuple[Any, ...]:
    """Token ids as we keep them: lists as tuples, and one id as a tuple of one."""
    words = name == "bad_words_ids"
    try:
        if words:
            found = tuple(tuple(word) for word in value)
            tokens = [token for word in found for token in word]
        else:
            found = (value,) if _is_whole(value) else tuple(value)
            tokens = list(found)
    except TypeError:
        tokens = [value]
    if not all(map(_is_whole, tokens)):
        kind = "lists of token ids, one a word" if words else "token ids"
        raise ModelError(f"{name} is {value!r}; it must be {kind}.")
    return found


def _listed(value: Any) -> Any:
    return [_listed(entry) for entry in value] if isinstance(value, tuple) else value
