"""Beyond plain encoders: models that write, Graft and `transformers`, the same weights.

Random models of small shapes: a Llama with grouped keys, GPT-2, T5 (whose decoder writes a quarter
of what the encoder reads) and Gemma 2 (capped scores, windows). For each kind of batch the logits
alone, and training: the loss of all tokens and its gradients. The peer pads, and attends by SDPA,
which it has for all but Gemma 2.
"""

import tempfile
from collections.abc import Callable
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers.modeling_utils import PreTrainedModel

import graft
from common import Row, arguments, faster, in_turn, report
from graft.models.losses import IGNORED, language_model_loss, writing_loss
from graft.models.precision import autocast

BATCHES = {
    "1 x 200": [200],
    "4 x 200": [200] * 4,
    "8 x 20..300": [20, 35, 60, 80, 110, 150, 220, 300],
    "1 x 1000": [1000],
}
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
VOCABULARY = 8000
SMALL = {
    "vocab_size": VOCABULARY,
    "hidden_size": 512,
    "num_hidden_layers": 6,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "intermediate_size": 1376,
    "pad_token_id": 0,
}


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--families", nargs="+", choices=MAKERS, default=list(MAKERS))
    parser.add_argument("--batches", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    rows: list[Row] = []
    for family in options.families:
        theirs, ours = load_pair(family)
        for kind in options.batches:
            for precision in options.precisions:
                case = f"{family}, {kind}, {precision}"
                lengths = BATCHES[kind]
                rows += compare(case, theirs, ours, lengths, PRECISIONS[precision], options.repeats)
    report("families", rows, options.json)


def llama() -> PreTrainedModel:
    """8 heads of queries, 2 of keys."""
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL))


def gpt2() -> PreTrainedModel:
    """The smallest published shape, with a small vocabulary, and without dropout."""
    without = dict.fromkeys(("attn_pdrop", "embd_pdrop", "resid_pdrop"), 0.0)
    config = transformers.GPT2Config(vocab_size=VOCABULARY, pad_token_id=0, **without)
    return transformers.GPT2LMHeadModel(config)


def t5() -> PreTrainedModel:
    """The small published shape, with a small vocabulary, and without dropout."""
    config = transformers.T5Config(vocab_size=VOCABULARY, dropout_rate=0.0)
    config.decoder_start_token_id = 0
    return transformers.T5ForConditionalGeneration(config)


def gemma2() -> PreTrainedModel:
    """Half of the layers have a window of 128 tokens."""
    options = {"head_dim": 64, "sliding_window": 128, "query_pre_attn_scalar": 64}
    return transformers.Gemma2ForCausalLM(transformers.Gemma2Config(**SMALL, **options))


MAKERS: dict[str, Callable[[], PreTrainedModel]] = {
    "llama": llama,
    "gpt2": gpt2,
    "t5": t5,
    "gemma2": gemma2,
}


def load_pair(family: str) -> tuple[PreTrainedModel, graft.Model]:
    """The peer's random model, and ours of the same weights."""
    torch.manual_seed(0)
    theirs = MAKERS[family]()
    with tempfile.TemporaryDirectory() as folder:
        theirs.save_pretrained(folder)
        return theirs, graft.Model.from_pretrained(folder)


def compare(
    case: str,
    theirs: PreTrainedModel,
    ours: graft.Model,
    lengths: list[int],
    dtype: torch.dtype,
    repeats: int,
) -> list[Row]:
    """Both ways to use a batch."""
    pair = ours.config.decoder is not None
    texts, answers = random_texts(lengths), random_texts([length // 4 for length in lengths])
    batch = graft.Batch.from_pairs(texts, answers, 0) if pair else graft.Batch.from_sequences(texts)
    inputs = padded_inputs(texts, answers if pair else None)
    device = torch.device("cpu")
    cast = {name: model.to(dtype).eval() for name, model in (("peer", theirs), ("graft", ours))}

    @torch.inference_mode()
    def infer_peer(_: int) -> Tensor:
        logits: Tensor = cast["peer"](**inputs, use_cache=False).logits
        return logits

    @torch.inference_mode()
    def infer_graft(_: int) -> Tensor | None:
        return cast["graft"](batch).logits

    rows = [_timed(f"{case}: inference", infer_peer, infer_graft, repeats)]
    theirs.float().train()
    ours.float().train()

    def train_peer(_: int) -> None:
        with autocast(dtype, device):
            loss = theirs(**inputs, use_cache=False).loss
        _learn(theirs, loss)

    def train_graft(_: int) -> None:
        with autocast(dtype, device):
            logits = ours(batch).logits
        assert logits is not None
        _learn(ours, (writing_loss if pair else language_model_loss)(logits, batch))

    return [*rows, _timed(f"{case}: training", train_peer, train_graft, repeats)]


def _learn(model: Any, loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    model.zero_grad(set_to_none=True)


def _timed(case: str, peer: Callable[[int], Any], own: Callable[[int], Any], repeats: int) -> Row:
    """The fastest of each, after one run that does not count: most of a run is noise."""
    runs = {"peer": peer, "graft": own}
    for run in runs.values():
        run(-1)
    found = in_turn(runs, repeats)
    row = faster(case, *([min(found[name][0]) * 1000] for name in runs))
    return Row(row.case, row.peer, row.graft, row.ratio, "ms")


def random_texts(lengths: list[int]) -> list[list[int]]:
    """Tokens of no meaning; 0 pads."""
    generator = torch.Generator().manual_seed(sum(lengths))
    return [torch.randint(1, VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def padded_inputs(texts: list[list[int]], answers: list[list[int]] | None) -> dict[str, Tensor]:
    """What the peer reads, and what it is to write: the answers, or the texts themselves."""
    written = texts if answers is None else answers
    return {
        "input_ids": _rectangle(texts, 0),
        "attention_mask": (_rectangle(texts, 0) != 0).long(),
        "labels": _rectangle(written, IGNORED),
    }


def _rectangle(rows: list[list[int]], filler: int) -> Tensor:
    longest = max(map(len, rows))
    return torch.tensor([row + [filler] * (longest - len(row)) for row in rows])


if __name__ == "__main__":
    main()
