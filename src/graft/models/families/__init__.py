"""One file per architecture: its configuration and tensor names, as data."""

from graft.models.families.bert import BERT
from graft.models.families.family import Family
from graft.models.families.llama import LLAMA

FAMILIES: dict[str, Family] = {family.name: family for family in (BERT, LLAMA)}
"""Every architecture Graft has, by the `model_type` of its `config.json`."""


def register_family(family: Family) -> Family:
    """Adds an architecture of your own: models of its `model_type` then load, train and save."""
    FAMILIES[family.name] = family
    return family


__all__ = ["FAMILIES", "Family", "register_family"]
