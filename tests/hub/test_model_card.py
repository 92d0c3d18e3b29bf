"""Cards: what we write, the stock client reads; what is broken is named with its line."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard as StockCard
from markdown_it import MarkdownIt

from graft.errors import CardError
from graft.hub.card import LabelFigures, ModelCard, Results, parse_card, render_header


def full_card() -> ModelCard:
    return ModelCard(
        title="trec-minilm",
        repo_id="me/trec-minilm",
        task="text-classification",
        labels=["human", "number"],
        languages=["en"],
        license="apache-2.0",
        base_model="sentence-transformers/all-MiniLM-L6-v2",
        datasets=["me/questions"],
        results=[
            Results(
                dataset="me/questions",
                split="test",
                metrics={"accuracy": 0.9625, "macro_f1": 0.95},
                per_label=[
                    LabelFigures("human", 0.9, 0.8, 0.85, 65),
                    LabelFigures("number", 1.0, 0.97, 0.98, 113),
                ],
                rows=178,
            )
        ],
        training={"epochs": 3, "learning_rate": 1e-4, "freeze": False},
        sizes={"parameters": 22_713_216},
        environment={"graft": "0.1.0", "torch": "2.13.0"},
        examples=["Who wrote Hamlet?"],
    )


def tables(body: str) -> list[list[list[str]]]:
    """The tables that a Markdown reader sees: rows of cells, the head first."""
    found: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(body):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level >= 3:
            shown = "".join(child.content for child in token.children or [])
            found[-1][-1].append(shown)
    return found


def test_the_stock_client_reads_the_header_and_the_figures() -> None:
    card = StockCard(full_card().render())

    assert card.data.pipeline_tag == "text-classification"
    assert card.data.library_name == "graft"
    assert card.data.language == ["en"]
    assert card.data.license == "apache-2.0"
    assert card.data.base_model == "sentence-transformers/all-MiniLM-L6-v2"
    assert card.data.datasets == ["me/questions"]
    assert card.data.metrics == ["accuracy", "f1"]
    accuracy, f1 = card.data.eval_results
    assert (accuracy.metric_type, accuracy.metric_value) == ("accuracy", 0.9625)
    assert (f1.metric_type, f1.metric_name, f1.metric_args) == (
        "f1",
        "Macro F1",
        {"average": "macro"},
    )
    assert (accuracy.dataset_type, accuracy.dataset_split) == ("me/questions", "test")
    assert accuracy.task_type == "text-classification"


def test_the_body_has_figures_for_each_label_and_the_settings() -> None:
    _, body = parse_card(full_card().render())

    by_head = {tuple(table[0]): table[1:] for table in tables(body)}
    assert by_head["label", "precision", "recall", "F1", "support"] == [
        ["human", "0.9000", "0.8000", "0.8500", "65"],
        ["number", "1.0000", "0.9700", "0.9800", "113"],
    ]
    assert by_head["metric", "value"] == [["Accuracy", "0.9625"], ["Macro F1", "0.9500"]]
    assert ["Learning rate", "0.0001"] in by_head["setting", "value"]
    assert ["Freeze", "no"] in by_head["setting", "value"]
    assert "Made with graft 0.1.0, torch 2.13.0." in body


def test_the_use_is_shown_in_code_that_python_reads() -> None:
    _, body = parse_card(full_card().render())

    snippets = [part.split("```")[0] for part in body.split("```python\n")[1:]]
    assert len(snippets) == 2
    for snippet in snippets:
        compile(snippet, "card", "exec")
        assert '"me/trec-minilm"' in snippet
        assert '"Who wrote Hamlet?"' in snippet


@pytest.mark.parametrize("several_labels", [False, True])
def test_a_model_of_text_pairs_shows_pairs(several_labels: bool) -> None:
    card = ModelCard(
        title="pairs",
        task="text-classification",
        text_pair=True,
        several_labels=several_labels,
        examples=[('It "rains".', "The ground\nis wet.")],
    )

    metadata, body = parse_card(card.render())

    assert metadata["widget"] == [{"text": 'It "rains".', "text_pair": "The ground\nis wet."}]
    snippets = [part.split("```")[0] for part in body.split("```python\n")[1:]]
    for snippet in snippets:
        compile(snippet, "card", "exec")
    assert ("top_k=None" in snippets[1]) is several_labels
    assert ("answer.labels" in snippets[0]) is several_labels


def test_what_nobody_has_stated_is_said_to_be_not_stated() -> None:
    metadata, body = parse_card(ModelCard(title="bare", task="text-classification").render())

    sections = {part.split("\n")[0]: part for part in body.split("\n## ")[1:]}
    for name in ("How good it is", "Intended use", "Limits", "Known biases"):
        assert "Not stated yet" in sections[name], name
    for name in ("license", "language", "datasets", "base_model", "model-index"):
        assert name not in metadata
    assert ["License", "not stated yet"] in tables(body)[0]


def test_what_was_stated_replaces_not_stated() -> None:
    card = ModelCard(
        title="stated",
        task="text-classification",
        intended_use="Sorting questions.",
        limits="Short questions only.",
        biases="Knows American names best.",
        results=[Results("me/d", "test", {"accuracy": 1.0})],
        training={"epochs": 1},
    )
    assert "Not stated yet" not in card.render()


@pytest.mark.parametrize(
    "label",
    [
        "a|b",
        "`code`",
        "two\nlines",
        "<script>alert(1)</script>",
        "*bold*",
        "Ünï 漢字 🙂",
        "x: y # z",
    ],
)
def test_any_label_stays_one_cell_of_its_table(label: str) -> None:
    card = ModelCard(
        title=label,
        task="text-classification",
        labels=[label, "other"],
        results=[
            Results("d", "test", {"accuracy": 1.0}, [LabelFigures(label, 0.1, 0.2, 0.3, 4)], 4)
        ],
    )

    _, body = parse_card(card.render())

    shown = " ".join(label.split())
    row = next(table[1] for table in tables(body) if table[0][0] == "label")
    assert row == [shown, "0.1000", "0.2000", "0.3000", "4"]
    assert not MarkdownIt("commonmark").render(f"# {body.split('# ', 1)[1]}").count("<script>")


def test_folders_of_this_computer_are_not_named_as_repositories() -> None:
    card = ModelCard(
        title="local",
        task="text-classification",
        base_model="/home/me/models/base",
        datasets=["./data/questions"],
    )

    metadata, body = parse_card(card.render())

    assert "base_model" not in metadata
    assert "datasets" not in metadata
    assert "/home/me" not in body
    assert ["Base model", "base"] in tables(body)[0]


def test_a_header_comes_back_as_it_went_in() -> None:
    values = {
        "language": ["no", "en"],
        "pretty_name": 'Quotes " and: colons # and\nlines',
        "license": "apache-2.0",
        "size": 12,
        "dataset_info": {"features": [{"name": "label", "names": ["yes", "01", "null"]}]},
    }

    metadata, body = parse_card(render_header(values) + "\n# Title\n")

    assert metadata == values
    assert body == "# Title\n"


def test_values_stay_json_values() -> None:
    text = "---\nlanguage: no\ndate: 2024-01-31\nlocal: true\nanswer: yes\n---\n"

    metadata, _ = parse_card(text)

    assert metadata == {"language": "no", "date": "2024-01-31", "local": True, "answer": "yes"}
    assert json.loads(json.dumps(metadata)) == metadata


def test_numbers_beyond_64_bits_stay_text() -> None:
    digits = "0x" + "f" * 6000
    header, _ = parse_card(f"---\nbits: {digits}\n? {digits}\n: key\nyears: 190\n---\n")
    assert header == {"bits": digits, digits: "key", "years": 190}


@pytest.mark.parametrize(
    "text",
    ["# Only Markdown\n", "", "---\n\nA ruled line, then text.\n", "text\n---\nkey: value\n---\n"],
)
def test_a_card_without_a_header_is_all_body(text: str) -> None:
    assert parse_card(text) == ({}, text)


def test_windows_line_ends_and_byte_order_marks_are_read() -> None:
    text = "\ufeff---\r\nlicense: mit\r\n---\r\n# Title\r\n"
    assert parse_card(text.encode()) == ({"license": "mit"}, "# Title\n")


def test_dashes_inside_a_value_do_not_end_the_header() -> None:
    metadata, body = parse_card("---\nname: a --- b\nnote: x ---\n---\nbody\n")
    assert metadata == {"name": "a --- b", "note": "x ---"}
    assert body == "body\n"


def test_a_header_may_be_empty() -> None:
    assert parse_card("---\n---\nbody\n") == ({}, "body\n")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("---\nlicense: mit\nlanguage: [en\ntags: x\n---\n", "line 4, column 5"),
        ("---\nlicense: mit\n\tlanguage: en\n---\n", "line 3, column 1"),
        ("---\nname: a: b\n---\n", "line 2, column 8"),
        ("---\nlicense: mit\n", "line 1"),
        ("---\n- a\n- list\n---\n", "line 2"),
        ("---\nwhen: !!python/object:os.system x\n---\n", "line 2, column 7"),
    ],
)
def test_a_broken_header_is_refused_with_its_place(text: str, place: str) -> None:
    with pytest.raises(CardError, match=r"README\.md") as error:
        parse_card(text, path=Path("some/README.md"))
    assert f"some/README.md, {place}:" in str(error.value)


def test_a_card_that_is_not_utf8_is_refused_with_its_place() -> None:
    with pytest.raises(CardError, match=r"README\.md, line 2: byte 14 is not UTF-8"):
        parse_card("---\nlicense: né\n---\n".encode("latin-1"))


def test_a_header_that_expands_without_end_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(CardError, match="more than 50000 values"):
        parse_card("---\n" + "\n".join(lines) + "\n---\n")
    with pytest.raises(CardError, match="more than 50000 values"):
        parse_card("---\nself: &self\n  inner: *self\n---\n")
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    with pytest.raises(CardError, match=r"line 7, column 10: .* more than 50000 values"):
        parse_card("---\n" + "\n".join(lines) + "\n---\n")
    for deep in ("[" * 20_000, "&a {<<: *a}"):
        with pytest.raises(CardError, match="cannot be read"):
            parse_card(f"---\ndeep: {deep}\n---\n")
    with pytest.raises(CardError, match="500000 are read"):
        parse_card("---\nlong: " + "x" * 500_000 + "\n---\n")


@pytest.mark.parametrize(
    "value",
    ['!!int ""', "!!int 1:x", '!!float ""', "!!bool maybe", "!!timestamp soon", "!!float x"],
)
def test_a_value_that_is_not_what_its_tag_says(value: str) -> None:
    with suppress(CardError):
        assert isinstance(parse_card(f"---\nkey: {value}\n---\n")[0]["key"], str)


def test_times_stay_text() -> None:
    """YAML takes them for numbers to the base of sixty, of any length."""
    long = ":".join(["1"] * 3000)
    metadata, _ = parse_card(f"---\na: 1:30\nb: 1:30.5\nc: {long}\nd: {long}.5\ne: 1.5\n---\n")
    assert metadata == {"a": "1:30", "b": "1:30.5", "c": long, "d": f"{long}.5", "e": 1.5}


def test_the_header_is_plain_yaml() -> None:
    text = full_card().render()
    header = text.split("---\n")[1]
    assert yaml.safe_load(header) == parse_card(text)[0]
