"""Special tokens around texts: the post-processors that a `tokenizer.json` names."""

from collections.abc import Iterator, Mapping
from typing import Any

from graft.errors import ModelError
from graft.text.spec import kind_of, setting

Part = Mapping[str, Any]
Item = tuple[int, int, int]
"""Of a template: 0 a special token, 1 the first text, 2 the second; the token's id; the type id."""

_SPECIAL, _FIRST, _SECOND = 0, 1, 2
_KINDS = ("BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing")
_PLAIN: tuple[list[Item], list[Item]] = ([(_FIRST, 0, 0)], [(_FIRST, 0, 0), (_SECOND, 0, 1)])


def templates(part: Part | None) -> tuple[list[Item], list[Item]]:
    """What a row of one text, and one of two, is made of, by the post-processor.

    Raises:
        ModelError: A kind that Graft does not have, or one with settings that make no sense.
    """
    found = [_templates(inner) for inner in _flat(part)]
    made = [each for each in found if each != _PLAIN]
    if len(made) > 1:
        raise ModelError(
            "The post-processor adds special tokens in two places at once, which Graft does not "
            "have: put them into one TemplateProcessing."
        )
    return made[0] if made else _PLAIN


def trimming(part: Part | None) -> tuple[bool, bool]:
    """Whether spans leave white space out, and whether a space was put before the text.

    Raises:
        ModelError: As of `templates`.
    """
    for inner in _flat(part):
        if inner["type"] in ("ByteLevel", "RobertaProcessing"):
            try:
                return (
                    setting(inner, "trim_offsets", bool, True),
                    setting(inner, "add_prefix_space", bool, True),
                )
            except ValueError as error:
                raise _unusable(inner, error) from error
    return False, False


def _flat(part: Part | None) -> Iterator[Part]:
    """The post-processors in a post-processor, those of sequences one by one."""
    if part is None:
        return
    if kind_of(part, "post-processor", _KINDS) != "Sequence":
        yield part
        return
    try:
        inner = setting(part, "processors", list)
    except (KeyError, ValueError) as error:
        raise _unusable(part, error) from error
    for each in inner:
        kind_of(each, "post-processor", _KINDS)
        yield from _flat(each)


def _templates(part: Part) -> tuple[list[Item], list[Item]]:
    kind = part["type"]
    try:
        if kind == "ByteLevel":
            return _PLAIN
        if kind == "TemplateProcessing":
            special = setting(part, "special_tokens", dict)
            return _template(part, "single", special), _template(part, "pair", special)
        return _sentence_templates(part, roberta=kind == "RobertaProcessing")
    except (KeyError, ValueError) as error:
        raise _unusable(part, error) from error


def _unusable(part: Part, error: KeyError | ValueError) -> ModelError:
    what = f"it has no {error}" if isinstance(error, KeyError) else str(error)
    return ModelError(f"The post-processor {part['type']} cannot be used: {what}.")


def _sentence_templates(part: Part, *, roberta: bool) -> tuple[list[Item], list[Item]]:
    start, end = (_SPECIAL, _id_of(part, "cls"), 0), (_SPECIAL, _id_of(part, "sep"), 0)
    single = [start, (_FIRST, 0, 0), end]
    if roberta:
        return single, [*single, end, (_SECOND, 0, 0), end]
    return single, [*single, (_SECOND, 0, 1), (_SPECIAL, end[1], 1)]


def _id_of(part: Part, name: str) -> int:
    """The id of a special token that is kept as a pair: `["[CLS]", 101]`."""
    pair = setting(part, name, list)
    if len(pair) != 2:
        raise ValueError(f"its {name} is not a token and an id")
    return setting({f"{name}[1]": pair[1]}, f"{name}[1]", int)


def _template(part: Part, name: str, special: Part) -> list[Item]:
    """The items of the template for one text (`single`) or for two (`pair`)."""
    found: list[Item] = []
    for place, item in enumerate(setting(part, name, list)):
        kind = next(iter(item)) if isinstance(item, dict) and len(item) == 1 else None
        if kind not in ("Sequence", "SpecialToken"):
            raise ValueError(f"its {name}[{place}] is neither a Sequence nor a SpecialToken")
        inner = setting(item, kind, dict)
        type_id = setting(inner, "type_id", int)
        if not 0 <= type_id < 2**31:
            raise ValueError(f"its {name}[{place}] has the type_id {type_id}")
        if kind == "Sequence":
            found.append((_text_named(inner, name), 0, type_id))
        else:
            ids = _ids_of(setting(inner, "id", str), special)
            found += [(_SPECIAL, token_id, type_id) for token_id in ids]
    texts = [kind for kind, *_ in found if kind != _SPECIAL]
    if len(set(texts)) < len(texts):
        raise ValueError(f"its {name} names a text twice: rows would outgrow their max_length")
    return found


def _text_named(inner: Part, name: str) -> int:
    text = setting(inner, "id", str)
    if text not in ("A", "B") or (text == "B" and name == "single"):
        known = "A" if name == "single" else "A and B"
        raise ValueError(f"its {name} names the text {text!r}, but there is {known}")
    return _FIRST if text == "A" else _SECOND


def _ids_of(token: str, special: Part) -> list[int]:
    if token not in special:
        raise ValueError(f"its template names {token!r}, which its special_tokens do not have")
    ids = setting(setting(special, token, dict), "ids", list)
    for token_id in ids:
        setting({"ids": token_id}, "ids", int)
    return ids
