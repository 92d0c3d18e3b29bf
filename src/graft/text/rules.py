"""What a tokenizer goes by: the content of its `tokenizer.json`, and the engine made of it."""

from collections.abc import Iterable
from typing import Any

from graft.errors import ModelError
from graft.text import _engine, assemble, decoding
from graft.text.spec import Spec

_MOST_IDS = 2**31
_Matched = tuple[int, str, bool, bool, bool]
"""An added token as the engine takes it: id, text, single_word, lstrip, rstrip."""


class Rules:
    """The rules of a tokenizer, ready to be used.

    Args:
        spec: The parsed `tokenizer.json`, which is kept, and changed by `add`.

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
        self.spec = spec
        self._build()

    def add(self, entries: Iterable[dict[str, Any]]) -> int:
        """Adds tokens; returns how many the vocabulary lacked, which get the next free ids.

        Args:
            entries: Of `added_tokens`, without ids; what is an added token already stays as it is.
        """
        added = list(self.spec.get("added_tokens") or ())
        known = {token["content"] for token in added}
        free = max(self.tokens, default=-1) + 1
        new = 0
        for entry in entries:
            content = entry["content"]
            if content in known:
                continue
            known.add(content)
            token_id = self.ids.get(content)
            if token_id is None:
                token_id, new = free + new, new + 1
            added.append({"id": token_id, **entry})
        if len(added) > len(self.spec.get("added_tokens") or ()):
            self.spec["added_tokens"] = added
            self._build()
        return new

    def _build(self) -> None:
        """Makes everything anew from the spec."""
        spec = self.spec
        model, added = spec["model"], spec.get("added_tokens") or []
        self.ids = _vocabulary(model)
        for token in added:
            if not 0 <= token["id"] < _MOST_IDS:
                raise ModelError(f"The added token {token['content']!r} has the id {token['id']}.")
            token["id"] = self.ids.setdefault(token["content"], token["id"])
        self.tokens = {token_id: token for token, token_id in self.ids.items()}
        if len(self.tokens) < len(self.ids):
            raise ModelError("Two tokens of the vocabulary have the same id.")
        self.special = {token["id"] for token in added if token.get("special")}
        self.special.update(model.get("special_ids", ()))
        self.decoder = decoding.decoder(spec.get("decoder"))
        pre, post = spec.get("pre_tokenizer"), spec.get("post_processor")
        normalizer = assemble.normalizer(spec["normalizer"]) if spec.get("normalizer") else None
        byte_level = "ByteLevel" in assemble.kinds(pre, "pretokenizers")
        single, pair = assemble.templates(post)
        trim, prefix_space = assemble.trimming(post)
        for kind, token_id, _ in (*single, *pair):
            if kind == 0 and token_id not in self.tokens:
                raise ModelError(
                    f"The post-processor adds the id {token_id}, but no token has this id."
                )
        self.special_in = [sum(kind == 0 for kind, *_ in items) for items in (single, pair)]
        self.engine = _engine.Tokenizer(
            normalizer=normalizer,
            pre_tokenizer=assemble.pre_tokenizer(pre) if pre else None,
            model=assemble.model(model, byte_level=byte_level),
            raw_added=[_matched(token, token["content"]) for token in added if _is_raw(token)],
            normalized_added=self._found_after(normalizer),
            single=single,
            pair=pair,
            trim_offsets=trim,
            add_prefix_space=prefix_space,
        )

    def _found_after(self, normalizer: _engine.Normalizer | None) -> list[_Matched]:
        """The tokens to be looked for in normalized texts, as they look there."""
        found = []
        for token in self.spec.get("added_tokens") or ():
            if not _is_raw(token):
                content = token["content"]
                normal = normalizer.normalize(content) if normalizer else content
                found.append(_matched(token, normal))
                # The ecosystem shows and decodes them as texts have them.
                self.tokens[token["id"]] = normal
        user_defined = self.spec["model"].get("user_defined_ids", ())
        return found + [(each, self.tokens[each], False, False, False) for each in user_defined]


def _vocabulary(model: dict[str, Any]) -> dict[str, int]:
    """The ids of a model's tokens, in whichever form its kind keeps them."""
    vocab = model["vocab"]
    if isinstance(vocab, dict):
        return dict(vocab)
    found: dict[str, int] = {}
    for token_id, (piece, _) in enumerate(vocab):
        if piece in found:
            raise ModelError(f"The token {piece!r} stands in the vocabulary twice.")
        found[piece] = token_id
    return found


def _is_raw(token: dict[str, Any]) -> bool:
    """Whether an added token is looked for before normalization."""
    return not token.get("normalized", not token.get("special", False))


def _matched(token: dict[str, Any], content: str) -> _Matched:
    single_word, lstrip, rstrip = (
        bool(token.get(flag)) for flag in ("single_word", "lstrip", "rstrip")
    )
    return token["id"], content, single_word, lstrip, rstrip
