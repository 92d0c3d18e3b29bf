"""Tiny random models of the oracle, `transformers`, and the comparison of ours with them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from texts import IGNORED, Texts, make_texts, padded, targets_of
from torch import Tensor
from torch.nn import functional as F
from transformers.models.electra.modeling_electra import ElectraForPreTrainingOutput

import graft
from graft.models.model import Output

TOLERANCE = 1e-5
"""The largest difference, as a share of the largest value."""


@dataclass(frozen=True)
class Answer:
    """What a model makes of texts, laid end to end without padding.

    Attributes:
        loss: Of the targets of `targets_of`.
        logits: None of a body alone.
        hidden_states: Of the embeddings and of each layer; an encoder's before a decoder's.
        attentions: `[heads, queries, keys]` of each sequence in each layer; an encoder's, a
            decoder's, and the decoder's to the encoder.
    """

    loss: Tensor
    logits: Tensor | None
    hidden_states: Sequence[Tensor]
    attentions: Sequence[Sequence[Tensor]]


def noisy(model: Any, seed: int = 0, scale: float = 0.1) -> Any:
    """Adds noise to every weight, so that no norm is one and no bias zero."""
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in (*trained(model).values(), *kept_buffers(model)):
            weight += scale * torch.randn(weight.shape, generator=source)
    return model.eval()


def trained(model: Any) -> dict[str, Any]:
    """The parameters that training changes: tables of sines are none."""
    return {name: each for name, each in model.named_parameters() if each.requires_grad}


def kept_buffers(model: Any) -> list[Tensor]:
    """What is saved and never trained."""
    saved = model.state_dict()
    return [b for name, b in model.named_buffers() if name in saved and b.is_floating_point()]


def build(kind: Any, config: Any, seed: int = 0) -> Any:
    """A random model of a class of the oracle, in evaluation mode."""
    config._attn_implementation = "eager"
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return noisy(kind(config), seed)


def run(oracle: Any, texts: Texts, task: str | None) -> Answer:
    """The oracle's answer. It reads texts padded, and gives loss, logits and states."""
    inputs = texts.inputs(oracle.config.get_text_config().pad_token_id or 0)
    asked = {"output_hidden_states": True, "output_attentions": True}
    output = oracle(**inputs, **asked, **_oracle_targets(oracle, texts, task))
    mask = inputs["attention_mask"].bool()
    answer_mask = inputs.get("decoder_attention_mask", mask).bool()
    if task is None:
        loss = _weighed(output.last_hidden_state[answer_mask])
    elif task == "question-answering":  # its loss on padded texts chooses among padding too
        alone = [oracle(**t.inputs(0), **_oracle_targets(oracle, t, task)) for t in texts.alone()]
        loss = torch.stack([each.loss for each in alone]).mean()
    else:
        loss = output.loss
    if texts.decoder is None:
        states = _unpad(output.hidden_states, mask)
    else:
        states = _unpad(output.encoder_hidden_states, mask)
        states += _unpad(output.decoder_hidden_states, answer_mask)
    return Answer(loss, _oracle_logits(output, answer_mask), states, _weights(output, texts))


def run_ours(model: graft.Model, texts: Texts, config: Any) -> Answer:
    """Our answer, by the oracle's configuration of targets."""
    output = model(texts.batch, hidden=True, hidden_states=True)
    recorded = model(texts.batch, attentions=True)
    assert output.hidden_states is not None
    assert recorded.attentions is not None
    states = (*(output.encoder_hidden_states or ()), *output.hidden_states)
    weights = (
        *(recorded.encoder_attentions or ()),
        *recorded.attentions,
        *(recorded.cross_attentions or ()),
    )
    targets = targets_of(model.task, texts, config)
    loss = _our_loss(model.task, output, targets, texts, config)
    return Answer(loss, output.logits, states, weights)


def assert_same(
    kind: Any,
    config: Any,
    folder: Path,
    texts: Texts | None = None,
    *,
    missing: Sequence[str] = (),
    attentions: bool = True,
) -> graft.Model:
    """Compares our model with the oracle's: answers, gradients, files, and packed with alone.

    Args:
        kind: A class of the oracle.
        config: Its configuration.
        folder: An empty folder.
        texts: What is read; by default, random sequences of `LENGTHS`.
        missing: Beginnings of the oracle's tensor names that ours does not keep, such as the
            pooler of a body.
        attentions: Whether to compare the attention weights too.

    Returns:
        Our model.
    """
    texts = texts or make_texts()
    oracle = build(kind, config)
    oracle.save_pretrained(folder / "theirs")
    model = graft.Model.from_pretrained(folder / "theirs")
    assert model.report is not None
    assert not model.report.made_anew
    unknown = [n for n in model.report.left_over if not n.startswith(tuple(missing) or "\0")]
    assert not unknown, f"left over: {unknown}"
    expected, found = run(oracle, texts, model.task), run_ours(model, texts, config)
    assert_answers_close(found, expected, attentions=attentions)
    assert_gradients_close(model, found.loss, oracle, expected.loss, folder / "gradients")
    assert_packed_equals_alone(model, texts)
    assert_round_trip(model, oracle, folder / "ours", missing)
    return model


def assert_answers_close(found: Answer, expected: Answer, *, attentions: bool = True) -> None:
    """Loss, logits, all hidden states and attention weights."""
    assert len(found.hidden_states) == len(expected.hidden_states)
    pairs = zip(found.hidden_states, expected.hidden_states, strict=True)
    for layer, (ours, theirs) in enumerate(pairs):
        assert_close(ours, theirs, f"hidden state {layer}")
    if expected.logits is not None:
        assert found.logits is not None
        assert_close(found.logits, expected.logits, "logits")
    assert_close(found.loss, expected.loss, "loss")
    if attentions:
        assert len(found.attentions) == len(expected.attentions) > 0
        for layer, rows in enumerate(zip(found.attentions, expected.attentions, strict=True)):
            for ours, theirs in zip(*rows, strict=True):
                assert_close(ours, theirs, f"attention of layer {layer}")


def assert_gradients_close(
    model: graft.Model, loss: Tensor, oracle: Any, expected_loss: Tensor, folder: Path
) -> None:
    """The gradients of all parameters. The oracle's are saved as if they were its weights, and
    loaded here, so that they come under our names."""
    expected_loss.backward()
    loss.backward()
    parameters = [*trained(oracle).values(), *kept_buffers(oracle)]
    weights = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for parameter in parameters:
            parameter.copy_(torch.zeros(()) if parameter.grad is None else parameter.grad)
        oracle.save_pretrained(folder)
        for parameter, weight in zip(parameters, weights, strict=True):
            parameter.copy_(weight)
    theirs = dict(graft.Model.from_pretrained(folder).named_parameters())
    largest = max(float(gradient.detach().abs().max()) for gradient in theirs.values())
    assert largest > 0
    for name, parameter in model.named_parameters():
        found = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        # What should cancel out, such as biases of keys, is noise of the others' size.
        assert_close(found, theirs[name], f"gradient of {name}", least=largest / 20)


def assert_packed_equals_alone(model: graft.Model, texts: Texts) -> None:
    """A sequence's answer does not depend on its neighbours."""
    with torch.inference_mode():
        packed = model(texts.batch, hidden=True)
        alone = [model(text.batch, hidden=True) for text in texts.alone()]
        fast = model(texts.batch)
    assert_close(packed.hidden, torch.cat([each.hidden for each in alone]), "packed hidden")
    if packed.logits is not None:
        expected = torch.cat([each.logits for each in alone])
        assert_close(packed.logits, expected, "packed logits")
        assert_close(fast.logits, expected, "logits alone")


def assert_round_trip(
    model: graft.Model, oracle: Any, folder: Path, missing: Sequence[str] = ()
) -> None:
    """What is saved here, the oracle loads: equal tensors, and the same settings."""
    model.save_pretrained(folder)
    again, info = type(oracle).from_pretrained(folder, output_loading_info=True)
    missed = [name for name in info["missing_keys"] if not name.startswith(tuple(missing) or "\0")]
    assert not missed, f"missing: {missed}"
    for kind in ("unexpected_keys", "mismatched_keys", "error_msgs"):
        assert not info.get(kind), f"{kind}: {info[kind]}"
    state = again.state_dict()
    for name, tensor in oracle.state_dict().items():
        if not name.startswith(tuple(missing) or "\0"):
            assert torch.equal(tensor, state[name]), name
    ours, theirs = (_settings(each.config) for each in (again, oracle))
    differ = {
        name: (ours.get(name), value) for name, value in theirs.items() if ours.get(name) != value
    }
    assert not differ, f"config.json (ours, theirs): {differ}"


def assert_close(
    found: Tensor | None, expected: Tensor | None, what: str, least: float = 0.0
) -> None:
    """Within `TOLERANCE` of the largest expected value, or of `least` where that is larger."""
    assert found is not None, what
    assert expected is not None, what
    assert found.shape == expected.shape, f"{what}: {found.shape}, expected {expected.shape}"
    assert found.isfinite().all(), f"{what}: not finite"
    scale = max(float(expected.detach().abs().max()), least)
    difference = float((found - expected).detach().abs().max())
    assert difference <= TOLERANCE * scale, (
        f"{what}: {difference:.2e} apart, at a scale of {scale:.2e}"
    )


def _oracle_targets(oracle: Any, texts: Texts, task: str | None) -> dict[str, Tensor]:
    if task is None:
        return {}
    targets = targets_of(task, texts, oracle.config)
    if task == "question-answering":
        start, end = torch.tensor(targets).unbind(1)
        return {"start_positions": start, "end_positions": end}
    if task == "text-classification":
        return {"labels": torch.tensor(targets)}
    if task == "text-generation":  # it shifts them itself
        targets = texts.answered
    return {"labels": padded(targets, IGNORED)[0]}


def _oracle_logits(output: Any, mask: Tensor) -> Tensor | None:
    if hasattr(output, "start_logits"):
        return torch.stack((output.start_logits, output.end_logits), dim=-1)[mask]
    logits: Tensor | None = getattr(output, "logits", None)
    if isinstance(output, ElectraForPreTrainingOutput):  # one a token, without a dimension
        assert logits is not None
        return logits[mask][:, None]
    return logits[mask] if logits is not None and logits.dim() == 3 else logits


def _our_loss(
    task: str | None, output: Output, targets: list[Any], texts: Texts, config: Any
) -> Tensor:
    logits = output.logits
    if logits is None:
        assert output.hidden is not None
        return _weighed(output.hidden)
    if task == "question-answering":
        rows = logits.split([len(row) for row in texts.answered])
        pairs = [
            F.cross_entropy(row.T, torch.tensor(t)) for row, t in zip(rows, targets, strict=True)
        ]
        return torch.stack(pairs).mean()
    if task == "text-classification":
        if config.problem_type == "multi_label_classification":
            return F.binary_cross_entropy_with_logits(logits, torch.tensor(targets))
        if config.problem_type == "regression":
            return F.mse_loss(logits, torch.tensor(targets))
        return F.cross_entropy(logits, torch.tensor(targets))
    if task == "replaced-token-detection":
        flags = torch.tensor([float(flag) for row in targets for flag in row])
        return F.binary_cross_entropy_with_logits(logits[:, 0], flags)
    flat = torch.tensor([target for row in targets for target in row])
    return F.cross_entropy(logits, flat, ignore_index=IGNORED)


def _weighed(hidden: Tensor) -> Tensor:
    """A loss of a body alone, in which every value counts differently."""
    return (hidden - torch.linspace(-1, 1, hidden.numel()).view_as(hidden)).square().mean()


def _unpad(states: Sequence[Tensor], mask: Tensor) -> list[Tensor]:
    return [state[mask] for state in states]


def _weights(output: Any, texts: Texts) -> list[list[Tensor]]:
    """The attention weights of each sequence in each layer, without padding."""
    sources, written = texts.sequences, texts.decoder
    if written is None:
        given = [(output.attentions, sources, sources)]
    else:
        given = [
            (output.encoder_attentions, sources, sources),
            (output.decoder_attentions, written, written),
            (output.cross_attentions, written, sources),
        ]
    return [
        [row[:, : len(q), : len(k)] for row, q, k in zip(layer, queries, keys, strict=True)]
        for layers, queries, keys in given
        for layer in layers or ()
    ]


def _settings(config: Any) -> dict[str, Any]:
    """What a configuration says, without what is said of the file."""
    passing = {"_name_or_path", "architectures", "transformers_version", "dtype", "problem_type"}
    return {name: value for name, value in config.to_dict().items() if name not in passing}
