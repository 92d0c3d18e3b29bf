"""The layers of a model to look at: shapes, weights, and how it prints."""

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from recurrents import make
from rich.console import Console

import graft
from graft.models.config import Vocabulary
from graft.models.summary import ModelSummary, Row
from small import CONFIG, VOCABULARY, make_classifier, make_model

PAIR = {"decoder": replace(CONFIG, layers=3, causal=True, cross=True)}


def row(summary: ModelSummary, name: str) -> Row:
    return next(row for row in summary.rows if row.name == name)


@pytest.mark.parametrize(
    "model",
    [
        make_classifier(),
        make_model(task="fill-mask", vocabulary=Vocabulary(dense=True, bias=True, tied=False)),
        make_model(task="text2text-generation", **PAIR),
        make_model(layers=6, groups=2),
        make("bilstm", "text-classification"),
        make("bilstm", "token-classification", crf=True),
    ],
    ids=lambda model: model.task or "body",
)
def test_everything_is_counted_once(model: graft.Model) -> None:
    summary = model.summary()
    assert summary.parameters == sum(each.numel() for each in model.parameters())
    saved = {id(each): each.nbytes for each in model.state_dict(keep_vars=True).values()}
    assert summary.bytes == sum(saved.values())
    tops = [each for each in summary.rows[:-1] if each.depth == 0]
    assert sum(each.parameters for each in tops) == summary.parameters
    assert sum(each.bytes for each in tops) == summary.bytes


def test_what_layers_give() -> None:
    summary = make_classifier().summary()
    assert row(summary, "embeddings").output == ("tokens", 32)
    assert row(summary, "qkv").output == ("tokens", 96)
    assert row(summary, "up").output == ("tokens", 64)
    assert row(summary, "head").output == ("sequences", 3)
    assert summary.total.output is None
    pair = make_model(task="text2text-generation", **PAIR).summary()
    assert row(pair, "encoder").output == ("tokens", 32)
    assert row(pair, "decoder").output == ("written", 32)
    assert row(pair, "keys_values").output == ("tokens", 64)
    assert row(pair, "head (shared)").output == ("written", len(VOCABULARY))
    assert row(pair, "tokens (shared)").parameters == 0


def test_layers_stand_in_the_order_in_which_they_run() -> None:
    names = [
        each.name for each in make_model(norm=replace(CONFIG.norm, place="before")).summary().rows
    ]
    order = ["attention_norm", "attention", "qkv", "output", "feed_forward_norm", "feed_forward"]
    assert [name for name in names if name in order] == order


def test_blocks_that_are_alike_share_their_rows() -> None:
    model = make_model(layers=4)
    whole = model.summary()
    blocks, each = row(whole, "blocks 0-3"), row(whole, "each")
    assert blocks.parameters == 4 * each.parameters
    assert [r.name for r in whole.rows].count("qkv") == 1
    model.body.blocks[0].requires_grad_(False)
    frozen = model.summary()
    assert row(frozen, "block 0").trainable == 0
    assert row(frozen, "blocks 1-3").trainable == 3 * each.parameters
    assert frozen.trainable == whole.parameters - each.parameters
    shared = make_model(layers=6, groups=1).summary()
    assert row(shared, "block 0 (6 times)").parameters == each.parameters


def test_looking_changes_nothing() -> None:
    model = make_classifier().train()
    model.body.blocks[0].eval()
    before = {name: each.clone() for name, each in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    state = torch.get_rng_state()
    model.summary()
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(each, before[name]) for name, each in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module._forward_hooks for module in model.modules())


def printed(value: Any, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), legacy_windows=False)
    console.print(value)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 120])
def test_a_row_takes_a_line_in_a_terminal(width: int) -> None:
    summary = make_model(task="text2text-generation", **PAIR).summary()
    lines = [line for line in printed(summary, width) if line.strip()]
    assert len(lines) == 3 + len(summary.rows)  # a title, a heading and a rule
    assert "float32, all trainable" in lines[0]
    assert not [line for line in lines if "…" in line]
    assert lines[-1].split()[:2] == ["total", f"{summary.parameters:,}"]


def test_shares_and_formats_are_shown_where_they_differ() -> None:
    model = make_classifier()
    model.body.requires_grad_(False)
    model.body.blocks[1].to(torch.bfloat16)
    table = model.summary().table
    assert [column.strip() for column in table.columns] == [
        *("layer", "output", "parameters", "size", "format", "trainable")
    ]
    cells = {cells[0].strip(): list(cells[-2:]) for cells in table.rows}
    assert cells["block 0"] == ["float32", "0%"]
    assert cells["block 1"] == ["bfloat16", "0%"]
    assert cells["head"] == ["float32", "100%"]
    assert cells["total"][0] == "bfloat16, float32"
    assert 0 < float(cells["total"][1].removesuffix("%")) < 100


def test_notebooks_and_plain_text_show_it_too() -> None:
    summary = make_classifier().summary()
    page = summary._repr_html_()
    assert page.count("<tr>") == 1 + len(summary.rows)
    assert "<td>[sequences, 3]</td>" in page
    text = repr(summary).splitlines()
    assert text[0].startswith("bert, text-classification, 3 labels, float32")
    assert len(text) == 2 + len(summary.rows)
