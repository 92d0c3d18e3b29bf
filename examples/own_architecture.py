"""An architecture of your own, as data: it trains, generates, saves and loads as all others do.

Run it: `python examples/own_architecture.py`. "Sprig" is a small decoder with normalisation before
each sublayer, rotated positions, a gated feed-forward layer and no biases.
"""

import tempfile
from typing import Any

import torch

import graft
from graft.models.config import Config, Norm, Rotary, Vocabulary
from graft.models.families.family import Stored, TensorNames, one


def read_config(raw: dict[str, Any]) -> Config:
    """The shape that a `config.json` of Sprig describes."""
    return Config(
        family="sprig",
        vocab_size=raw["words"],
        hidden_size=raw["width"],
        layers=raw["depth"],
        heads=raw["heads"],
        intermediate_size=raw["inner"],
        max_positions=raw["longest"],
        causal=True,
        positions="none",
        rotary=Rotary(theta=10_000.0),
        embedding_norm=False,
        norm=Norm("rms", "before", eps=1e-6),
        final_norm=True,
        activation="silu",
        gated=True,
        attention_bias=False,
        output_bias=False,
        feed_forward_bias=False,
        dropout=0.0,
        attention_dropout=0.0,
        vocabulary=Vocabulary(tied=True),
    )


def write_config(config: Config) -> dict[str, Any]:
    """The settings of a `config.json` for a shape."""
    return {
        "words": config.vocab_size,
        "width": config.hidden_size,
        "depth": config.layers,
        "heads": config.heads,
        "inner": config.intermediate_size,
        "longest": config.max_positions,
    }


def body(config: Config) -> TensorNames:
    """From our names of tensors to those of its files; queries, keys and values are one here."""
    names = {
        **one("embeddings.tokens.weight", "words.weight"),
        **one("norm.weight", "last_norm.weight"),
    }
    for layer in range(config.layers):
        ours, theirs = f"blocks.{layer}", f"leaf.{layer}"
        parts = tuple(f"{theirs}.{part}.weight" for part in ("query", "key", "value"))
        names |= {f"{ours}.attention.qkv.weight": Stored(parts)}
        names |= one(f"{ours}.attention.output.weight", f"{theirs}.mix.weight")
        names |= one(f"{ours}.attention_norm.weight", f"{theirs}.norm.weight")
        names |= one(f"{ours}.feed_forward.up.weight", f"{theirs}.up.weight")
        names |= one(f"{ours}.feed_forward.down.weight", f"{theirs}.down.weight")
        names |= one(f"{ours}.feed_forward_norm.weight", f"{theirs}.up_norm.weight")
    return names


SPRIG = graft.Family(
    name="sprig",
    read_config=read_config,
    write_config=write_config,
    body=body,
    heads={"text-generation": lambda _: one("weight", "words.weight")},
    prefix="sprig.",
    architectures={None: "SprigModel", "text-generation": "SprigForCausalLM"},
)


def main() -> None:
    """Teaches a small model to count in circles, saves it, loads it and lets it write."""
    graft.register_family(SPRIG)
    torch.manual_seed(0)
    shape = {"words": 10, "width": 32, "depth": 2, "heads": 4, "inner": 64, "longest": 64}
    model = graft.Model(read_config(shape), task="text-generation")
    print(model.summary())

    texts = [[(first + i) % 10 for i in range(12)] for first in range(10)]
    batch = graft.Batch.from_sequences(texts)
    targets = torch.tensor([token for text in texts for token in [*text[1:], -100]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(model(batch).logits, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"loss: {loss:.4f}")

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        again = graft.Model.from_pretrained(folder)
    for written in again.generate([[3, 4], [8, 9, 0]], max_new_tokens=5):
        print(written.ids)


if __name__ == "__main__":
    main()
