"""Models of other sizes: more tokens, other labels, a token for padding, longer texts.

What is kept gives the same answers as before. Weights are replaced by others, so that optimizers
made before know weights that are no longer used: make them anew.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from graft.errors import ModelError
from graft.models.config import Config
from graft.models.families import FAMILIES
from graft.models.generation.config import GenerationConfig
from graft.models.heads import HEADS, VocabularyHead
from graft.models.labels import check_labels, label_dimensions
from graft.models.linear import Packed
from graft.models.parts import Body
from graft.models.transformer import EncoderDecoder

Parts = Mapping[int, Sequence[int]]
"""From the id of a new token to those of the tokens that it is made of."""

Vocabularies = Literal["both", "read", "written"]
"""Those of a model: the one that its encoder reads, and the one that its decoder writes."""

PAD = "pad_token_id"


class Resizable(nn.Module, ABC):
    """What a model does about its own size; see `graft.Model`, which is one."""

    config: Config
    task: str | None
    body: Body
    head: nn.Module | None
    generation: GenerationConfig

    @abstractmethod
    def make_head(self) -> nn.Module:
        """A new head of the configuration, on the CPU."""

    def resize_vocabulary(
        self, size: int, parts: Parts | None = None, *, which: Vocabularies = "both"
    ) -> None:
        """Gives embeddings and the logits of tokens another number of rows.

        Rows that stay keep their weights. A token's row is the mean of the rows that it was spelled
        with so far (Gee et al., 2022), where these are given; other new ones are drawn as at first,
        and their biases are zero. `graft.add_tokens` does this and tells the tokenizer. Optimizers
        made before know the old weights: make them anew.

        Args:
            size: Rows, at least 1.
            parts: For the id of a new token, the ids of the tokens that it replaces. It may be that
                of a spare row: what is there is overwritten.
            which: "read" or "written" of a translator whose two languages have a vocabulary each,
                as some of Marian's.

        Raises:
            ModelError: There is no such size, or no such token or part, the row that stands for
                padding would be lost, or the model reads another vocabulary than it writes and
                `which` is "both", or the other way round.
        """
        config = self.config
        if size < 1:
            raise ModelError(f"A vocabulary of {size} tokens is none; give 1 or more.")
        resized = _other_vocabulary(config, size, which)
        old = (config.answering if which == "written" else config).vocab_size
        if config.frozen_token is not None and config.frozen_token >= size:
            raise ModelError(
                f"Token {config.frozen_token} stands for padding: keep {config.frozen_token + 1} "
                "tokens or more."
            )
        parts = dict(parts or {})
        _check_parts(parts, old, size)
        for table in _token_tables(self.body, which):
            _set_rows(table, _grown(table.weight, size, parts, config.init_std))
        if isinstance(self.head, VocabularyHead) and which != "read":
            _grow_head(self.head, size, parts, config.init_std)
        self.config = resized

    def resize_labels(self, labels: Sequence[str]) -> None:
        """Gives the head other labels.

        Labels that it has already keep their weights, wherever they stand now; those of new ones
        are drawn as at first. Optimizers made before know the old weights: make them anew.

        Args:
            labels: The names, in the order that the logits are to have.

        Raises:
            ModelError: There is no head with labels, there are no labels, or two of one name.
        """
        if self.head is None or self.task is None or not HEADS[self.task].named:
            raise ModelError(
                "This model has no head with labels. Load it with one: "
                'Model.from_pretrained(..., task="text-classification", labels=[...]).'
            )
        check_labels(labels, self.task)
        old, before = self.head, self.config
        kept = {new: before.labels.index(n) for new, n in enumerate(labels) if n in before.labels}
        self.config = replace(before, labels=tuple(labels))
        try:
            head = self.make_head()
        except ModelError:  # as where labels do not have the prefixes of the field's scheme
            self.config = before
            raise
        _fill_head(head, old, kept)
        weight = next(old.parameters())
        head.to(weight.device, weight.dtype).train(old.training)
        for name, parameter in head.named_parameters():
            parameter.requires_grad_(old.get_parameter(name).requires_grad)
        self.head = head

    def add_pad_token(self, token: int | None = None) -> int:
        """Names the token that stands for padding, where none does.

        Graft pads nothing. Other tools, which read what is saved here, need one for batches.

        Args:
            token: The id of a token that is there, or of the next new one; None for a new one.
                A new one's row is zero.

        Returns:
            Its id. A model that has one keeps it.

        Raises:
            ModelError: The model has another one, or there is no such token.
        """
        there = self.config.special.get(PAD)
        size = self.config.vocab_size
        if there is not None:
            if token not in (None, there):
                raise ModelError(f"Token {there} stands for padding already.")
            return int(there)
        token = size if token is None else token
        if not 0 <= token <= size:
            raise ModelError(f"There is no token {token}: they go from 0 to {size - 1}.")
        if token == size:
            self.resize_vocabulary(size + 1)
            with torch.no_grad():
                for table in _token_tables(self.body):
                    table.weight[token] = 0
        config = replace(self.config, special={**self.config.special, PAD: token})
        self.config = _of_both(config, frozen_token=_as_read(config).frozen_token)
        for table in _token_tables(self.body):
            table.padding_idx = self.config.frozen_token
        self.generation = replace(self.generation, pad_token_id=token)
        return token

    def extend_positions(self, size: int, how: Literal["copy", "interpolate"] = "copy") -> None:
        """Lets the model read longer texts.

        Positions that are learned get more rows. Where they are computed, as rotations and sines
        are, the limit alone changes. Either way, train on long texts: so far it read none.

        Args:
            size: The longest sequence from now on, in tokens.
            how: "copy" starts from the first row again behind the last (Beltagy et al., 2020):
                texts that could be read before give the same answers. "interpolate" stretches all
                rows over the new length, which changes every answer.

        Raises:
            ModelError: The model reads texts as long already, there is no such way, or its
                rotations depend on the limit.
        """
        now = self.config.max_positions
        if size <= now:
            raise ModelError(f"This model reads {now} tokens already; {size} is no more.")
        if how not in ("copy", "interpolate"):
            raise ModelError(f'how is {how!r}; it may be "copy" or "interpolate".')
        _check_rotations(self.config)
        for embeddings in _embeddings(self.body):
            table = embeddings.positions
            if table is not None:
                first = embeddings.first_position
                _set_rows(table, _longer(table.weight, first, size, how))
        self.config = _of_both(self.config, max_positions=size)


def _embeddings(body: Body) -> Iterator[Any]:
    """Those of each stack."""
    stacks = (body.encoder, body.decoder) if isinstance(body, EncoderDecoder) else (body,)
    for stack in stacks:
        yield stack.embeddings


def _token_tables(body: Body, which: Vocabularies = "both") -> list[nn.Embedding]:
    """The token embeddings, those that stacks share once: the encoder's, then the decoder's."""
    tables = list({id(each.tokens): each.tokens for each in _embeddings(body)}.values())
    return {"both": tables, "read": tables[:1], "written": tables[1:]}[which]


def _other_vocabulary(config: Config, size: int, which: Vocabularies) -> Config:
    """The configuration of a model of another vocabulary.

    Raises:
        ModelError: See `Resizable.resize_vocabulary`.
    """
    if which not in get_args(Vocabularies):
        raise ModelError(f'which is {which!r}; it may be "both", "read" or "written".')
    if which == "both":
        if config.answering.vocab_size != config.vocab_size:
            raise ModelError(
                f"This model reads {config.vocab_size} tokens and writes "
                f"{config.answering.vocab_size} others: one size for both makes no sense. Say "
                'which="read" or which="written".'
            )
        return _of_both(config, vocab_size=size)
    if config.decoder is None or config.shared_embedding:
        raise ModelError(f"This model has one vocabulary: leave out which={which!r}.")
    if which == "read":
        resized = replace(config, vocab_size=size)
    else:
        resized = replace(config, decoder=replace(config.decoder, vocab_size=size))
    if _as_read(resized).answering.vocab_size != resized.answering.vocab_size:
        raise ModelError(f"Files of {config.family} keep one size for both vocabularies.")
    return resized


def _of_both(config: Config, **changes: Any) -> Config:
    """The same change to both stacks."""
    decoder = None if config.decoder is None else replace(config.decoder, **changes)
    return replace(config, decoder=decoder, **changes)


def _check_parts(parts: Parts, old: int, new: int) -> None:
    for token, pieces in parts.items():
        if not 0 <= token < new:
            raise ModelError(f"There is no token {token}: they go from 0 to {new - 1}.")
        if not pieces:
            raise ModelError(f"Token {token} replaces nothing: leave it out of parts.")
        for piece in pieces:
            if not 0 <= piece < old:
                raise ModelError(
                    f"Token {token} is to be made of {piece}, but tokens go from 0 to {old - 1}."
                )


def _set_rows(table: nn.Embedding, weight: Tensor) -> None:
    """Gives a table other rows; all that share it have them."""
    table.weight = nn.Parameter(weight, requires_grad=table.weight.requires_grad)
    table.num_embeddings = len(weight)


def _grown(weight: Tensor, size: int, parts: Parts, std: float) -> Tensor:
    """`[size, ...]`: the rows there are, means of some of them, and others drawn.

    They are drawn on the CPU, the same for a seed on any device.
    """
    old = weight.detach()
    new = torch.empty(max(0, size - len(old)), *old.shape[1:])
    nn.init.normal_(new, std=std)
    rows = torch.cat((old[:size], new.to(old)))
    for token, pieces in parts.items():
        rows[token] = old[list(pieces)].float().mean(0)
    return rows


def _grow_head(head: VocabularyHead, size: int, parts: Parts, std: float) -> None:
    """The weights of a head that are not the embedding's, and its bias."""
    if head.weight is not None:
        weight = _grown(head.weight, size, parts, std)
        head.weight = nn.Parameter(weight, requires_grad=head.weight.requires_grad)
    if head.bias is not None:
        bias = _grown(head.bias, size, parts, 0.0)
        head.bias = nn.Parameter(bias, requires_grad=head.bias.requires_grad)
    head._packed = Packed(head._packed.by_token)


def _fill_head(head: nn.Module, old: nn.Module, kept: Mapping[int, int]) -> None:
    """Puts the weights of an old head into a new one.

    Args:
        head: The new one.
        old: The old one.
        kept: From a label's place in the new one to that in the old one.
    """
    new_rows, old_rows = list(kept), list(kept.values())
    before = old.state_dict()
    with torch.no_grad():
        for name, tensor in head.state_dict().items():
            dimensions = label_dimensions(f"head.{name}")
            given = before[name].to(tensor)
            if not dimensions:
                tensor.copy_(given)
            elif len(dimensions) == 1:
                tensor[new_rows] = given[old_rows]
            else:
                places, sources = (torch.tensor(r, dtype=torch.int64) for r in (new_rows, old_rows))
                tensor[places[:, None], places] = given[sources[:, None], sources]


def _longer(weight: Tensor, first: int, size: int, how: str) -> Tensor:
    """`[first + size, width]`: rows of more positions, behind those that are of none."""
    old = weight.detach()
    rows = old[first:]
    if how == "copy":
        return torch.cat((old[:first], rows[torch.arange(size) % len(rows)]))
    stretched = F.interpolate(rows.T[None].float(), size, mode="linear", align_corners=True)
    return torch.cat((old[:first], stretched[0].T.to(old)))


def _as_read(config: Config) -> Config:
    """What is read of the files that a model of this configuration is saved in."""
    family = FAMILIES[config.family]
    return family.read_config(family.write_config(config))


def _check_rotations(config: Config) -> None:
    """Refuses a new limit where what is read now depends on it."""
    for stack in (config, config.decoder):
        rotations = () if stack is None else (stack.rotary, stack.local_rotary)
        for rotary in rotations:
            if rotary is not None and dict(rotary.scaling).get("rope_type") == "dynamic":
                raise ModelError(
                    "The rotations of this model grow with the text, from its limit on: it reads "
                    "longer texts as it is, and a new limit would change what it reads now."
                )
