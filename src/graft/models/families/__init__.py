"""One file per architecture: its configuration and tensor names, as data."""

from graft.models.families.bert import BERT
from graft.models.families.family import Family

FAMILIES: dict[str, Family] = {family.name: family for family in (BERT,)}
"""Every architecture Graft has, by the `model_type` of its `config.json`."""

__all__ = ["FAMILIES", "Family"]
