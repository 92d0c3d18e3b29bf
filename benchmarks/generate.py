"""Generation: Graft's and that of `transformers` with the same weights, in turn in one process.

A random GPT-2 of the smallest published shape (124 M parameters) goes on greedily from 1, 8 and 32
prompts of unequal lengths, by the same number of tokens each. Ratios are of tokens per second.
"""

import statistics
import tempfile
from collections.abc import Callable

import torch
import transformers
from torch import Tensor

import graft
from common import Row, arguments, in_turn, report

VOCABULARY = 50257


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--prompts", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--tokens", type=int, default=64, help="new ones of each prompt")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    torch.manual_seed(0)
    peer = transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=VOCABULARY)).eval()
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        model = graft.Model.from_pretrained(folder)
    rows: list[Row] = []
    for count in options.prompts:
        rows += compare(peer, model, count, options.tokens, options.repeats)
    report("generate", rows, options.json)


def compare(
    peer: transformers.GPT2LMHeadModel, model: graft.Model, count: int, new: int, repeats: int
) -> list[Row]:
    """Times both on so many prompts, and compares what they wrote."""
    prompts = random_prompts(count)
    runs: dict[str, Callable[[int], list[list[int]]]] = {
        "peer": lambda _: generate_padded(peer, prompts, new),
        "graft": lambda _: [
            list(text.ids)
            for text in model.generate(prompts, max_new_tokens=new, eos_token_id=None)
        ],
    }
    for run in runs.values():
        run(-1)  # caches fill, and weights are laid out
    found = in_turn(runs, repeats)
    theirs, ours = (count * new / statistics.median(found[name][0]) for name in ("peer", "graft"))
    pairs = zip(found["peer"][1][0], found["graft"][1][0], strict=True)
    same = statistics.mean(a == b for one, other in pairs for a, b in zip(one, other, strict=True))
    lengths = sorted(map(len, prompts))
    case = f"{count} prompts of {lengths[0]} to {lengths[-1]} tokens, {new} new"
    return [
        Row(case, theirs, ours, ours / theirs, "tokens/s"),
        Row(f"{count} prompts: tokens equal to the peer's", 1.0, same, same, "share"),
    ]


def random_prompts(count: int) -> list[list[int]]:
    """Prompts of 5 to 200 tokens, most of them short, as questions and chats are."""
    generator = torch.Generator().manual_seed(count)
    skewed = torch.rand(count, generator=generator) ** 2
    lengths = (5 + 195 * skewed).long().tolist()
    if count > 1:
        lengths[0], lengths[-1] = 5, 200
    return [torch.randint(VOCABULARY, (n,), generator=generator).tolist() for n in lengths]


def generate_padded(
    peer: transformers.GPT2LMHeadModel, prompts: list[list[int]], new: int
) -> list[list[int]]:
    """What the peer writes: it pads prompts on their left."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[0] * (longest - len(prompt)) + prompt for prompt in prompts])
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts])
    with torch.inference_mode():
        written: Tensor = peer.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=new,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
    rows: list[list[int]] = written[:, longest:].tolist()
    return rows


if __name__ == "__main__":
    main()
