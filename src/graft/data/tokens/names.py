"""The names of the columns that tokenizing makes: those that the ecosystem's models read."""

INPUT_IDS = "input_ids"
"""Token ids: `list<int32>`."""

TYPE_IDS = "token_type_ids"
"""0 for tokens of the first text of a pair, 1 for the second: `list<int32>`."""

OFFSETS = "offset_mapping"
"""Where each token stands in its text, start and end in characters: `list<int32[2]>`."""

WORD_IDS = "word_ids"
"""The index of each token's word in its text, -1 for special tokens: `list<int32>`."""

LABELS = "labels"
"""The tag of each token, -100 for those that no loss looks at: `list<int32>`."""

SOURCE_ROW = "source_row"
"""The row that a window is of, where long texts became several rows: `int64`."""

IGNORED = -100
"""The label of a token that no loss looks at, as PyTorch's losses have it."""
