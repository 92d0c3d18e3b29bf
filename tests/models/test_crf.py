"""The conditional random field against all sequences of labels, one by one."""

from itertools import pairwise, product

import pytest
import torch
from torch import Tensor

from graft.errors import ModelError
from graft.models.crf import CRF
from graft.models.tagging import may_follow

LENGTHS = [3, 1, 4, 4, 2]
LABELS = ("O", "B-place", "I-place")
BIOES = ("O", "B-x", "I-x", "E-x", "S-x", "B-y", "I-y", "E-y", "S-y")


def make_crf(labels: tuple[str, ...] = LABELS, scheme: str | None = None, seed: int = 0) -> CRF:
    """A field whose every score is another one."""
    crf = CRF(labels, scheme)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in crf.parameters():
            parameter += torch.randn(parameter.shape, generator=source)
    return crf


def make_logits(labels: int = len(LABELS), seed: int = 1) -> Tensor:
    source = torch.Generator().manual_seed(seed)
    return 2 * torch.randn(sum(LENGTHS), labels, generator=source)


def path_score(crf: CRF, logits: Tensor, path: tuple[int, ...]) -> Tensor:
    """What a sequence of labels scores, added up by hand."""
    score = crf.start[path[0]] + crf.end[path[-1]]
    for token, label in enumerate(path):
        score = score + logits[token, label]
    for before, after in pairwise(path):
        score = score + crf.transitions[before, after]
    return score


def every_path(logits: Tensor) -> list[tuple[int, ...]]:
    return list(product(range(logits.shape[1]), repeat=len(logits)))


def makes_sense(path: tuple[int, ...], labels: tuple[str, ...]) -> bool:
    """Whether a sequence of BIOES labels consists of whole spans, read with a stack of one."""
    inside = ""
    for label in (labels[index] for index in path):
        prefix, _, kind = label.partition("-")
        if prefix in "OBS" and inside:
            return False
        if prefix in "IE" and inside != kind:
            return False
        inside = kind if prefix in "BI" and kind else ""
    return not inside


class TestLikelihood:
    def test_equals_the_share_of_all_sequences_of_labels(self) -> None:
        crf, logits = make_crf(), make_logits()
        tags = torch.tensor([0, 1, 2, 1, 2, 2, 0, 1, 0, 0, 1, 2, 0, 1])
        found = crf.log_likelihood(logits, tags, torch.tensor(LENGTHS))
        parts = zip(logits.split(LENGTHS), tags.split(LENGTHS), strict=True)
        for row, (own, path) in enumerate(parts):
            scores = torch.stack([path_score(crf, own, other) for other in every_path(own)])
            wanted = path_score(crf, own, tuple(path.tolist())) - scores.logsumexp(0)
            torch.testing.assert_close(found[row], wanted)

    def test_its_gradients_are_those_of_its_values(self) -> None:
        crf, lengths = make_crf().double(), torch.tensor([2, 3])
        tags = torch.tensor([0, 2, 1, 2, 0])

        def likelihood(logits: Tensor, *_: Tensor) -> Tensor:
            return crf.log_likelihood(logits, tags, lengths)

        logits = make_logits()[:5].double().requires_grad_()
        assert torch.autograd.gradcheck(likelihood, (logits, *crf.parameters()))

    def test_of_half_precision_logits_is_summed_in_single(self) -> None:
        crf, logits = make_crf(), make_logits().bfloat16()
        tags = torch.zeros(sum(LENGTHS), dtype=torch.int64)
        found = crf.log_likelihood(logits, tags, torch.tensor(LENGTHS))
        assert found.dtype == torch.float32
        wanted = crf.log_likelihood(logits.float(), tags, torch.tensor(LENGTHS))
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)

    def test_alone_equals_in_a_batch(self) -> None:
        crf, logits = make_crf(), make_logits()
        tags = torch.arange(sum(LENGTHS)) % 3
        together = crf.log_likelihood(logits, tags, torch.tensor(LENGTHS))
        parts = zip(logits.split(LENGTHS), tags.split(LENGTHS), LENGTHS, strict=True)
        alone = [crf.log_likelihood(own, path, torch.tensor([n])) for own, path, n in parts]
        torch.testing.assert_close(together, torch.cat(alone), rtol=1e-5, atol=1e-5)


class TestDecoding:
    def test_finds_the_best_of_all_sequences(self) -> None:
        for seed in range(10):
            crf, logits = make_crf(seed=seed), make_logits(seed=seed + 100)
            crf.requires_grad_(False)
            tags, scores = crf.decode(logits, torch.tensor(LENGTHS))
            parts = zip(logits.split(LENGTHS), tags.split(LENGTHS), scores, strict=True)
            for own, path, score in parts:
                best = max(every_path(own), key=lambda p: float(path_score(crf, own, p)))
                assert tuple(path.tolist()) == best
                torch.testing.assert_close(score, path_score(crf, own, best))

    def test_with_a_scheme_finds_the_best_that_makes_sense(self) -> None:
        crf = make_crf(BIOES[:6], "bioes").requires_grad_(False)
        logits = make_logits(6)
        free, _ = make_crf(BIOES[:6]).decode(logits, torch.tensor(LENGTHS))
        tags, _ = crf.decode(logits, torch.tensor(LENGTHS))
        assert any(not makes_sense(tuple(p.tolist()), BIOES) for p in free.split(LENGTHS))
        for own, path in zip(logits.split(LENGTHS), tags.split(LENGTHS), strict=True):
            sensible = [p for p in every_path(own) if makes_sense(p, BIOES)]
            best = max(sensible, key=lambda p: float(path_score(crf, own, p)))
            assert tuple(path.tolist()) == best

    def test_a_text_of_one_token(self) -> None:
        crf, logits = make_crf(), make_logits()[:1]
        tags, _ = crf.decode(logits, torch.tensor([1]))
        assert tags.tolist() == [int((crf.start + logits[0] + crf.end).argmax())]

    def test_marginals_are_the_shares_of_the_sequences_through_a_label(self) -> None:
        crf, logits = make_crf(), make_logits()
        with torch.inference_mode():
            found = crf.marginals(logits, torch.tensor(LENGTHS))
        with torch.no_grad():
            for own, chances in zip(logits.split(LENGTHS), found.split(LENGTHS), strict=True):
                wanted = torch.zeros_like(own)
                paths = every_path(own)
                scores = torch.stack([path_score(crf, own, path) for path in paths])
                for path, chance in zip(paths, scores.softmax(0), strict=True):
                    wanted[range(len(path)), path] += chance
                torch.testing.assert_close(chances, wanted)


class TestSchemes:
    @pytest.mark.parametrize("scheme", ["bio", "bioes"])
    def test_allow_what_makes_sense(self, scheme: str) -> None:
        labels = BIOES if scheme == "bioes" else ("O", "B-x", "I-x", "B-y", "I-y")
        rules = may_follow(labels, scheme)
        for path in product(range(len(labels)), repeat=3):
            allowed = bool(rules.start[path[0]]) and bool(rules.end[path[-1]])
            allowed &= all(bool(rules.transitions[pair]) for pair in pairwise(path))
            if scheme == "bioes":
                assert allowed == makes_sense(path, labels)
            else:  # a span goes on in its own kind, and only after it began
                names = ["O", *(labels[index] for index in path)]
                broken = any(
                    after[0] == "I" and (before == "O" or before[2:] != after[2:])
                    for before, after in pairwise(names)
                )
                assert allowed == (not broken)

    @pytest.mark.parametrize(("labels", "named"), [(("O", "noun"), "noun"), (("E-x",), "E-x")])
    def test_a_label_without_a_prefix_of_the_scheme(
        self, labels: tuple[str, ...], named: str
    ) -> None:
        with pytest.raises(ModelError, match=f"'{named}' is not of the scheme bio: O, B-..., I-"):
            CRF(labels, "bio")

    def test_a_scheme_there_is_not(self) -> None:
        with pytest.raises(ModelError, match="'iobes'; it may be bio or bioes"):
            CRF(LABELS, "iobes")
