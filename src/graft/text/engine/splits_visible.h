// The detour that pre-tokenizers behind a byte-level one make.
#pragma once

#include "splits.h"

namespace graft {

// Writes each byte of all words as the character that shows it in byte-level vocabularies: what a
// pre-tokenizer behind a byte-level one is meant to see. What is between words goes.
void show_bytes(Words& words);

// The reverse: words are bytes again, though no longer all of whole characters.
void hide_bytes(Words& words);

}  // namespace graft
