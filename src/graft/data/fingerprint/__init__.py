"""Fingerprints: digests of values and functions that hold in every process and on every machine.

Two values have one digest only if a function cannot tell them apart; where code is concerned, file
names, line numbers and comments do not count, but everything a function can reach does: constants,
defaults, captured variables, globals, and the functions and classes that those lead to. Code of
installed packages counts by its name and version.

An object tells its own with a method `__graft_fingerprint__() -> str | bytes`.
"""

from graft.data.fingerprint.files import file_digest
from graft.data.fingerprint.parts import digest, parts_of_function
from graft.data.fingerprint.walk import Unfingerprintable

__all__ = ["Unfingerprintable", "digest", "file_digest", "parts_of_function"]
