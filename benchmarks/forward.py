"""The model alone: Graft and `transformers`, the same weights and rows of ids, batch by batch.

Inference, a training step (forward, backward, update with AdamW) and a single text, in float32 and
bfloat16, on the lengths that TREC, SST-2 and IMDB have, cut to 512 tokens. Each side makes its
batches as it does in use: the peer in the order of the rows, padded to the longest; Graft by a
budget of tokens, without padding. The largest difference of logits is told as well.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn import functional as F

import graft
from common import Row, arguments, base_model, data_folder, faster, in_turn, report
from graft.data.loader import BatchLoader
from graft.data.tokens.batches import EncodedDataset, evaluation_batches
from graft.models.precision import autocast
from graft.tasks.predict import batch_tokens
from graft.train.optim import adamw, clip_gradients, layer_groups, sparse_embeddings

ROWS = {"trec": 512, "sst2": 512, "imdb": 64}
BATCH = {"trec": 32, "sst2": 32, "imdb": 16}
SINGLES = 40
PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}
LABELS = ["no", "yes"]


@dataclass(frozen=True)
class Pair:
    """Graft's model and the peer's, of the same weights."""

    ours: graft.Model
    theirs: Any

    def to(self, device: torch.device, dtype: torch.dtype) -> "Pair":
        """Copies of both."""
        return Pair(*(copy.deepcopy(one).to(device, dtype).eval() for one in self.both))

    @property
    def both(self) -> tuple[Any, Any]:
        """One and the other."""
        return self.ours, self.theirs


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--data", nargs="+", default=list(ROWS))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    device = torch.device(options.device)
    pair = load_pair()
    rows: list[Row] = []
    for name in options.data:
        data = encoded(name)
        for precision, dtype in PRECISIONS.items():
            case = f"{name}, {precision}"
            rows += inference(case, pair.to(device, dtype), data, BATCH[name], options.repeats)
            rows.append(training(case, pair, device, dtype, data, BATCH[name], options.repeats))
            rows.append(single(case, pair.to(device, dtype), data, options.repeats))
    report("forward", rows, options.json)


def load_pair() -> Pair:
    """MiniLM with a new head of two labels, saved by Graft and loaded by the peer."""
    torch.manual_seed(0)
    ours = graft.Model.from_pretrained(base_model(), task="text-classification", labels=LABELS)
    with tempfile.TemporaryDirectory() as folder:
        ours.save_pretrained(f"{folder}/model")
        theirs = transformers.AutoModelForSequenceClassification.from_pretrained(f"{folder}/model")
    return Pair(ours, theirs)


def encoded(name: str) -> EncodedDataset:
    """Rows of a data set as ids, with targets of no meaning."""
    split = graft.load_dataset(data_folder(name))["train"].shuffle(0)[: ROWS[name]]
    tokenizer = graft.Tokenizer.from_pretrained(base_model())
    tokens = tokenizer.encode_batch(split.column(split.roles.text), max_length=512)
    return EncodedDataset(tokens, torch.arange(len(tokens)) % len(LABELS))


def inference(
    case: str, pair: Pair, data: EncodedDataset, size: int, repeats: int
) -> Iterator[Row]:
    """All rows once."""
    device = pair.ours.device
    budget = batch_tokens(device, pair.ours.dtype)

    @torch.inference_mode()
    def ours(_: int) -> Tensor:
        logits = torch.empty(len(data), len(LABELS))
        for batch in evaluation_batches(data, budget):
            logits[batch.rows] = pair.ours(batch.to(device)).logits.float().cpu()
        return logits

    @torch.inference_mode()
    def theirs(_: int) -> Tensor:
        batches = padded_batches(data, size, device)
        return torch.cat([pair.theirs(**inputs).logits.float().cpu() for inputs, _ in batches])

    found = in_turn({"peer": theirs, "graft": ours}, repeats)
    yield faster(f"{case}: inference", found["peer"][0], found["graft"][0])
    peer, own = found["peer"][1][0], found["graft"][1][0]
    largest = float((peer - own).abs().max())
    agreement = float((peer.argmax(1) == own.argmax(1)).float().mean())
    yield Row(f"{case}: largest difference of logits", 0.0, largest, agreement, "abs")


def training(
    case: str,
    pair: Pair,
    device: torch.device,
    dtype: torch.dtype,
    data: EncodedDataset,
    size: int,
    repeats: int,
) -> Row:
    """All rows once, each batch a step, with the optimizer that each side trains with."""
    models = pair.to(device, torch.float32)
    ours, theirs = (model.train() for model in models.both)
    our_steps = adamw(layer_groups(ours), [1e-5] * len(layer_groups(ours)))
    their_steps = torch.optim.AdamW(theirs.parameters(), 1e-5, fused=True)
    batches = BatchLoader(data, batch_size=size)

    def step(optimizer: torch.optim.Optimizer, logits: Tensor, targets: Tensor) -> None:
        F.cross_entropy(logits.float(), targets).backward()
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if optimizer is our_steps:
            clip_gradients(parameters, 1.0)
        else:
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def run_ours(repeat: int) -> None:
        with sparse_embeddings(ours):
            batches.set_epoch(repeat)
            for batch in batches:
                batch = batch.to(device)
                with autocast(dtype, device):
                    logits = ours(batch).logits
                step(our_steps, logits, batch.targets)

    def run_theirs(_: int) -> None:
        for inputs, targets in padded_batches(data, size, device):
            with autocast(dtype, device):
                logits = theirs(**inputs).logits
            step(their_steps, logits, targets)

    found = in_turn({"peer": run_theirs, "graft": run_ours}, repeats)
    return faster(f"{case}: training", found["peer"][0], found["graft"][0])


def single(case: str, pair: Pair, data: EncodedDataset, repeats: int) -> Row:
    """One text after another, as a server answers."""
    device = pair.ours.device
    rows = [torch.from_numpy(data.tokens[row].astype("int64")) for row in range(SINGLES)]

    @torch.inference_mode()
    def ours(_: int) -> None:
        for ids in rows:
            batch = graft.Batch(ids=ids, lengths=torch.tensor([len(ids)])).to(device)
            pair.ours(batch).logits.cpu()

    @torch.inference_mode()
    def theirs(_: int) -> None:
        for ids in rows:
            row = ids[None].to(device)
            pair.theirs(input_ids=row, attention_mask=torch.ones_like(row)).logits.cpu()

    runs: dict[str, Callable[[int], None]] = {"peer": theirs, "graft": ours}
    for run in runs.values():
        run(0)
    found = in_turn(runs, repeats * 3)
    per_text = [[seconds / SINGLES * 1000 for seconds in found[name][0]] for name in runs]
    row = faster(f"{case}: a single text", *per_text)
    return Row(row.case, row.peer, row.graft, row.ratio, "ms")


def padded_batches(
    data: EncodedDataset, size: int, device: torch.device
) -> Iterator[tuple[dict[str, Tensor], Tensor]]:
    """Batches of rows in their order, padded to the longest of each."""
    assert data.targets is not None
    for start in range(0, len(data), size):
        rows = [data.tokens[row] for row in range(start, min(start + size, len(data)))]
        longest = max(map(len, rows))
        ids = torch.zeros(len(rows), longest, dtype=torch.int64)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = torch.from_numpy(row)
            mask[place, : len(row)] = 1
        inputs = {"input_ids": ids.to(device), "attention_mask": mask.to(device)}
        yield inputs, data.targets[start : start + size].to(device)


if __name__ == "__main__":
    main()
