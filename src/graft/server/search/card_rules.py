"""Whether a card says what it says in the form that readers expect, and in words that they know.

What has another form than every reader takes it for is an error; a word that nobody knows, such as
a licence's name, is a warning.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graft.errors import CardError
from graft.hub.header import parse_card
from graft.server.names import CARD_FILE
from graft.server.records import Kind
from graft.server.search.lineage import RELATIONS
from graft.server.search.values import dict_of, dicts_of, plain, texts_of
from graft.server.search.vocabulary import LANGUAGES, LICENSES, TASKS

MAX_PROBLEMS = 30


@dataclass
class Report:
    """What is wrong with a card, in sentences: with errors it is refused."""

    metadata: dict[str, Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def check_card(kind: Kind, content: str | bytes) -> Report:
    """Checks a README.md's YAML."""
    report = Report()
    content = content.lstrip()  # blank lines before the YAML: clients pass over them
    try:
        metadata, _ = parse_card(content, CARD_FILE)
        report.metadata = plain(metadata)
    except (CardError, RecursionError) as error:
        report.errors.append(str(error))
        return report
    if not metadata:
        report.warnings.append(
            f"empty or missing yaml metadata in {CARD_FILE}: nobody finds the repository "
            "by its task, language or licence"
        )
        return report
    forms = _FORMS | (_MODEL_FORMS if kind is Kind.MODEL else _DATASET_FORMS)
    for key, (fits, form) in forms.items():
        value = report.metadata.get(key)
        if value is not None and not fits(value):
            report.errors.append(f'"{key}" must be {form}')
    if kind is Kind.MODEL:
        report.errors += _problems_of_index(report.metadata.get("model-index"))
    report.warnings += _unknown_words(kind, report.metadata)
    del report.errors[MAX_PROBLEMS:], report.warnings[MAX_PROBLEMS:]
    return report


def license_error(metadata: Mapping[str, Any]) -> str | None:
    """What is wrong with the name of the licence, for who asks for names that everybody knows."""
    if all(name in LICENSES for name in texts_of(metadata.get("license"))):
        return None
    return f'"license" must be one of [{", ".join(sorted(LICENSES))}]'


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_texts(value: Any) -> bool:
    return _is_text(value) or (isinstance(value, list) and all(map(_is_scalar, value)))


def _is_scalar(value: Any) -> bool:
    # `tags: [2024]` is a number to YAML, and a word to whoever wrote it.
    return isinstance(value, str | int | float)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_mappings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _is_mapping_or_more(value: Any) -> bool:
    return isinstance(value, dict) or _is_mappings(value)


def _is_emissions(value: Any) -> bool:
    return isinstance(value, int | float | dict) and not isinstance(value, bool)


_Form = tuple[Callable[[Any], bool], str]
_TEXT: _Form = (_is_text, "a text")
_TEXTS: _Form = (_is_texts, "a text or a list of texts")
_FORMS: dict[str, _Form] = {
    **dict.fromkeys(("language", "license", "tags", "metrics"), _TEXTS),
    **dict.fromkeys(("license_name", "license_link", "pretty_name"), _TEXT),
}
_MODEL_FORMS: dict[str, _Form] = {
    **dict.fromkeys(("pipeline_tag", "library_name", "thumbnail"), _TEXT),
    **dict.fromkeys(("datasets", "base_model"), _TEXTS),
    "base_model_relation": (lambda v: v in RELATIONS, f"one of {', '.join(RELATIONS)}"),
    "model-index": (_is_mappings, "an array of models, each with `name` and `results`"),
    "widget": (_is_list, "a list of examples"),
    "co2_eq_emissions": (_is_emissions, "a number of grams, or a mapping with `emissions`"),
}
_DATASET_FORMS: dict[str, _Form] = {
    **dict.fromkeys(
        (
            *("task_categories", "task_ids", "size_categories", "multilinguality"),
            *("annotations_creators", "language_creators", "source_datasets"),
        ),
        _TEXTS,
    ),
    "configs": (_is_mappings, "a list of configurations, each with `config_name`"),
    "dataset_info": (_is_mapping_or_more, "a mapping, or a list of them, a configuration each"),
}


def _problems_of_index(index: Any) -> list[str]:
    """What in `model-index` is not as evaluation results are written."""
    found = []
    for number, model in enumerate(dicts_of(index)):
        place = f'"model-index[{number}]'
        if not _is_text(model.get("name")):
            found.append(f'{place}.name" must be a text')
        results = model.get("results", [])
        if not _is_mappings(results):
            found.append(f'{place}.results" must be a list of results')
            continue
        for count, result in enumerate(results):
            found += _problems_of_result(f"{place}.results[{count}]", result)
    return found


def _problems_of_result(place: str, result: dict[str, Any]) -> list[str]:
    found = []
    for key in ("task", "dataset"):
        named = dict_of(result.get(key))
        if not (_is_text(named.get("type")) or _is_text(named.get("name"))):
            found.append(f'{place}.{key}.type" must be a text')
    metrics = result.get("metrics")
    if not _is_mappings(metrics):
        return [*found, f'{place}.metrics" must be a list of metrics']
    for number, metric in enumerate(dicts_of(metrics)):
        if "value" not in metric:
            found.append(f'{place}.metrics[{number}].value" is missing')
        if not _is_text(metric.get("type")):
            found.append(f'{place}.metrics[{number}].type" must be a text')
    return found


_CODE = re.compile(r"[a-z]{3}(-[A-Za-z0-9]{2,8})*")


def _unknown_words(kind: Kind, metadata: Mapping[str, Any]) -> list[str]:
    found = [
        f'"license": nobody knows {name!r}; use an identifier such as `apache-2.0`, or `other` '
        "with `license_name` and `license_link`."
        for name in texts_of(metadata.get("license"))
        if name not in LICENSES
    ]
    found += [
        f'"language": {name!r} is no code of ISO 639; write `en` for English, `deu` for German.'
        for name in texts_of(metadata.get("language"))
        if not _is_language(name)
    ]
    key = "pipeline_tag" if kind is Kind.MODEL else "task_categories"
    found += [
        f'"{key}": {name!r} is no task that is known; lists and widgets find tasks such as '
        "`text-classification`."
        for name in texts_of(metadata.get(key))
        if name not in TASKS
    ]
    return found


def _is_language(name: str) -> bool:
    first = name.partition("-")[0]
    return first in LANGUAGES or _CODE.fullmatch(name) is not None
