"""What a list can be narrowed by: the tags among what matches, counted."""

from collections import defaultdict
from typing import Any

import numpy as np
from sqlalchemy import Select, func, select

from graft.server.db.database import Reader
from graft.server.db.tables import RepositoryRow, TagRow
from graft.server.records import FacetValue
from graft.server.search import text
from graft.server.search.query import Chosen

FACETS = ("task", "library", "language", "license", "dataset")
MAX_VALUES = 50

Facets = dict[str, list[FacetValue]]


def facets(reader: Reader, chosen: Chosen, most: int = MAX_VALUES) -> Facets:
    """For each facet, the values among what was chosen, the most frequent first."""
    number = func.count()
    rows = reader.execute(
        select(TagRow.facet, TagRow.tag, number)
        .where(TagRow.repository_id.in_(_ids(reader, chosen)), TagRow.facet.in_(FACETS))
        .group_by(TagRow.facet, TagRow.tag)
        .order_by(number.desc(), TagRow.tag)
    )
    found: Facets = defaultdict(list)
    for facet, tag, count in rows:
        if len(found[facet]) < most:
            label = tag.partition(":")[2] if ":" in tag else tag
            found[facet].append(FacetValue(tag, label, count))
    return {facet: found[facet] for facet in FACETS}


def _ids(reader: Reader, chosen: Chosen) -> Select[Any]:
    matching = select(RepositoryRow.id).where(*chosen.conditions)
    if chosen.ids is None:
        return matching
    ids = chosen.ids
    listed = np.flatnonzero(ids).tolist() if isinstance(ids, np.ndarray) else ids
    return matching.where(RepositoryRow.id.in_(text.among(reader, listed)))
