"""Memory and time of loading a model: Graft and `transformers`, each in a fresh process.

A figure is the most memory that the process had while it loaded, above what it had before, as a
share of the weights at the dtype that is asked for. Pages of files count while they are mapped and
looked at. Packages and code that any load needs do not: each process first loads a tiny model of
the same family. Graft's bar is 1.05. Time goes on until each weight was looked at once.
"""

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from common import Row, arguments, faster, report

_WIDTH, _TINY = 1024, 32


@dataclass(frozen=True)
class Case:
    """Weights of about 400 MB, and how they are loaded."""

    family: str
    format: str = "model.safetensors"
    dtype: str = "float32"

    def __str__(self) -> str:
        return f"{self.family}, {self.format}, as {self.dtype}"


CASES = (
    Case("llama"),
    Case("bert"),
    Case("gpt2"),
    Case("llama", "shards"),
    Case("llama", "pytorch_model.bin"),
    Case("llama", dtype="bfloat16"),
)


def make_model(case: Case, folder: Path, width: int = _WIDTH, layers: int = 4) -> None:
    """Saves a random model."""
    import torch
    import transformers

    wide = 3 * width
    settings: dict[str, dict[str, Any]] = {
        "llama": {"num_hidden_layers": layers, "intermediate_size": wide, "num_key_value_heads": 4},
        "bert": {"num_hidden_layers": layers, "intermediate_size": wide},
        "gpt2": {"n_embd": width, "n_layer": layers, "n_head": 16, "n_inner": wide},
    }
    usual = {"hidden_size": width, "num_attention_heads": 16, "vocab_size": 40 * width}
    config = transformers.AutoConfig.for_model(case.family, **(usual | settings[case.family]))
    kind = transformers.AutoModel if case.family == "bert" else transformers.AutoModelForCausalLM
    model = kind.from_config(config)
    shards = {"max_shard_size": "100MB"} if case.format == "shards" else {}
    model.save_pretrained(folder, **shards)
    if case.format == "pytorch_model.bin":
        torch.save(model.state_dict(), folder / case.format)
        (folder / "model.safetensors").unlink()


def load(side: str, folder: str, dtype: str) -> dict[str, float]:
    """Loads a model in this process: seconds, and the most memory as a share of the weights."""
    import time

    import transformers

    import graft

    auto = transformers.AutoModel
    if "LM" in json.loads((Path(folder) / "config.json").read_text())["architectures"][0]:
        auto = transformers.AutoModelForCausalLM
    kinds: dict[str, Any] = {"graft": graft.Model, "peer": auto}
    kind = kinds[side]
    kind.from_pretrained(Path(folder) / "tiny", dtype=dtype)
    before = _memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    started = time.perf_counter()
    model = kind.from_pretrained(folder, dtype=dtype)
    for weight in model.parameters():  # pages that were only promised are read now
        weight.detach().sum()
    seconds = time.perf_counter() - started
    size = sum(weight.nbytes for weight in model.parameters())
    return {"seconds": seconds, "share": (_memory("VmHWM") - before) / size}


def _memory(name: str) -> int:
    """A figure of this process's memory, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    if found is None:
        sys.exit("This benchmark reads /proc, which only Linux has.")
    return int(found[1]) * 1024


def in_a_process(side: str, folder: Path, dtype: str) -> dict[str, float]:
    """The same in a fresh one."""
    code = f"import loading, json; print(json.dumps(loading.load({side!r}, {str(folder)!r}, "
    code += f"{dtype!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parent, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(case: Case, repeats: int) -> list[Row]:
    """One way to load: memory, and time."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        make_model(case, folder)
        make_model(case, folder / "tiny", _TINY, layers=1)
        runs: dict[str, list[dict[str, float]]] = {"peer": [], "graft": []}
        for _ in range(repeats):
            for side, found in runs.items():
                found.append(in_a_process(side, folder, case.dtype))
    shares = {side: max(run["share"] for run in found) for side, found in runs.items()}
    theirs, ours = ([run["seconds"] for run in runs[side]] for side in ("peer", "graft"))
    memory = Row(str(case), shares["peer"], shares["graft"], shares["peer"] / shares["graft"], "x")
    return [memory, faster(str(case), theirs, ours)]


def main() -> None:
    """Runs the benchmark."""
    options = arguments(__doc__ or "").parse_args()
    rows = [row for case in CASES for row in measure(case, options.repeats)]
    report("loading", rows, options.json)


if __name__ == "__main__":
    main()
