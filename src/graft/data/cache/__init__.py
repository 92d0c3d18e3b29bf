"""Processed once: what a step wrote is found again by the fingerprint of all it was made from.

    step = Step("map", {"input": data.fingerprint, **parts_of_function(clean)})
    entry = cached(step, write)         # write(writer) runs only where nobody has done it before
    entry.tables["rows"]                # memory-mapped

`GRAFT_CACHE` says where entries are kept and `GRAFT_CACHE_SIZE` how much; docs/concepts/cache.md
tells the whole story.
"""

from graft.data.cache.files import EntryWriter
from graft.data.cache.folder import Stored, cache_folder, size_limit
from graft.data.cache.history import Lookup
from graft.data.cache.steps import Entry, Step, cached, computed, uncached
from graft.data.cache.tools import Cleared, Lookups, clear, entries, explain

__all__ = [
    "Cleared",
    "Entry",
    "EntryWriter",
    "Lookup",
    "Lookups",
    "Step",
    "Stored",
    "cache_folder",
    "cached",
    "clear",
    "computed",
    "entries",
    "explain",
    "size_limit",
    "uncached",
]
