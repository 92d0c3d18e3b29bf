"""What a tokenizer goes by: the content of its `tokenizer.json`, and the engine made of it."""

from collections.abc import Iterable
from typing import Any

from graft.errors import ModelError
from graft.text import _engine, assemble, decoding
from graft.text.postprocessing import templates, trimming
from graft.text.spec import Spec, check_spec, told

_Matched = tuple[int, str, bool, bool, bool]
"""An added token as the engine takes it: id, text, single_word, lstrip, rstrip."""


class Rules:
    """The rules of a tokenizer, ready to be used.

    Args:
        spec: The parsed `tokenizer.json`, which is kept.

    Attributes:
        spec: The same.
        ids: The ids of all tokens, added ones included.
        tokens: The tokens by id; those looked for in normalized texts, as they look there.
        special: The ids of special tokens.
        special_in: How many special tokens a row of one text gets, and one of two.
        engine: From texts to ids.
        decoder: From tokens to pieces of text.

    Raises:
        ModelError: The rules make no sense, or are some that Graft does not have.
    """

    def __init__(self, spec: Spec) -> None:
        check_spec(spec)
        self.spec = spec
        added = spec.get("added_tokens") or []
        pre = spec.get("pre_tokenizer")
        splits = None if pre is None else assemble.pre_tokenizer(pre)
        byte_level = "ByteLevel" in assemble.kinds(pre, "pretokenizers")
        model = assemble.model(spec["model"], byte_level=byte_level)
        self.ids = _vocabulary(spec["model"])
        _number(added, self.ids)
        self.tokens = {token_id: token for token, token_id in self.ids.items()}
        if len(self.tokens) < len(self.ids):
            raise ModelError("Two tokens of the vocabulary have the same id.")
        self.special = {token["id"] for token in added if token.get("special")}
        self.special.update(self._ids_in("special_ids"))
        self.decoder = decoding.decoder(spec.get("decoder"))
        self.special_in, self.engine = self._assembled(splits, model)

    def with_added(self, entries: Iterable[dict[str, Any]]) -> "Rules":
        """Rules with more tokens; what the vocabulary lacks gets the next free ids.

        Args:
            entries: Of `added_tokens`, without ids; what is an added token already stays as it is.

        Raises:
            ModelError: A token cannot be added to these rules.
        """
        added = list(self.spec.get("added_tokens") or ())
        known = {token["content"] for token in added}
        free = len(self.ids)
        more = []
        for entry in entries:
            content = entry["content"]
            if content in known:
                continue
            known.add(content)
            token_id = self.ids.get(content)
            if token_id is None:
                token_id, free = free, free + 1
            more.append({"id": token_id, **entry})
        return Rules({**self.spec, "added_tokens": added + more}) if more else self

    def _assembled(
        self, pre_tokenizer: _engine.PreTokenizer | None, model: _engine.Model
    ) -> tuple[list[int], _engine.Tokenizer]:
        """How many special tokens rows get, of one text and of two; and the engine."""
        normal, post = self.spec.get("normalizer"), self.spec.get("post_processor")
        normalizer = None if normal is None else assemble.normalizer(normal)
        single, pair = templates(post)
        trim, prefix_space = trimming(post)
        for kind, token_id, _ in (*single, *pair):
            if kind == 0 and token_id not in self.tokens:
                raise ModelError(
                    f"The post-processor adds the id {token_id}, but no token has this id."
                )
        added = self.spec.get("added_tokens") or ()
        try:
            engine = _engine.Tokenizer(
                normalizer=normalizer,
                pre_tokenizer=pre_tokenizer,
                model=model,
                raw_added=[_matched(token, token["content"]) for token in added if _is_raw(token)],
                normalized_added=self._found_after(normalizer),
                single=single,
                pair=pair,
                trim_offsets=trim,
                add_prefix_space=prefix_space,
            )
        except ValueError as error:
            raise ModelError(f"The tokenizer cannot be put together: {error}.") from error
        return [sum(kind == 0 for kind, *_ in items) for items in (single, pair)], engine

    def _found_after(self, normalizer: _engine.Normalizer | None) -> list[_Matched]:
        """The tokens to be looked for in normalized texts, as they look there."""
        found = []
        for token in self.spec.get("added_tokens") or ():
            if not _is_raw(token):
                content = token["content"]
                normal = normalizer.normalize(content) if normalizer else content
                if not normal:
                    raise ModelError(
                        f"Nothing is left of the added token {content!r} once it is normalized, as "
                        "texts are: give it normalized=False."
                    )
                found.append(_matched(token, normal))
                # The ecosystem shows and decodes them as texts have them.
                self.tokens[token["id"]] = normal
        user_defined = self._ids_in("user_defined_ids")
        return found + [(each, self.tokens[each], False, False, False) for each in user_defined]

    def _ids_in(self, name: str) -> list[int]:
        """Ids that a SentencePiece model lists."""
        ids = self.spec["model"].get(name, [])
        if not isinstance(ids, list):
            raise ModelError(f"The model's {name} are {told(ids)}, not a list.")
        for token_id in ids:
            if not isinstance(token_id, int) or token_id not in self.tokens:
                raise ModelError(f"The model's {name} have {token_id!r}, which no token has as id.")
        return ids


def _vocabulary(model: dict[str, Any]) -> dict[str, int]:
    """The ids of the tokens of a model that could be made, in whichever form it keeps them."""
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        return dict(vocab)
    return {piece: token_id for token_id, (piece, _) in enumerate(vocab)}


def _number(added: list[dict[str, Any]], ids: dict[str, int]) -> None:
    """Puts added tokens among the ids of a vocabulary: they have its own, or else the next.

    Raises:
        ModelError: One has another id. The ecosystem, which does not look at it, would go on with
            the next one, so that models would be given different ids.
    """
    for token in added:
        content, next_id = token["content"], len(ids)
        if content not in ids and token["id"] != next_id:
            raise ModelError(
                f"The added token {content!r} has the id {token['id']}, but the next free one is "
                f"{next_id}: added tokens go on from the vocabulary, without holes."
            )
        token["id"] = ids.setdefault(content, next_id)


def _is_raw(token: dict[str, Any]) -> bool:
    """Whether an added token is looked for before normalization."""
    return not token.get("normalized", not token.get("special", False))


def _matched(token: dict[str, Any], content: str) -> _Matched:
    single_word, lstrip, rstrip = (
        bool(token.get(flag)) for flag in ("single_word", "lstrip", "rstrip")
    )
    return token["id"], content, single_word, lstrip, rstrip
