// Cutting all words of a text, each into pieces.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "splits.h"

namespace graft {

inline Span make_span(std::size_t start, std::size_t end) {
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
}

// Words and tokens of texts up to so many bytes keep their room from text to text. Longer ones get all they
// can need at once, as a vector that grows by copying takes three times its size, and give it back.
constexpr std::size_t kKeptBytes = 1 << 20;

// Replaces each word by the pieces that `cut(bytes, start, pieces)` appends for it; `start` is where
// the word's bytes stand in the text.
template <typename Cut>
void cut_words(Words& words, Cut cut) {
  thread_local std::vector<Span> pieces;
  if (pieces.capacity() > kKeptBytes) pieces = {};
  pieces.clear();
  const std::string_view text = words.text.bytes;
  if (text.size() > kKeptBytes) pieces.reserve(text.size());
  for (const Span word : words.words) cut(text.substr(word.start, word.end - word.start), word.start, pieces);
  words.words.swap(pieces);
  words.whole = false;
}

// Appends the pieces that a word of `size` bytes at `start` is cut into at `matches`.
void cut_by(const std::vector<Span>& matches, Behavior behavior, bool invert, std::size_t size,
            std::uint32_t start, std::vector<Span>& pieces);

// Cuts all words at the matches that `find(bytes, matches)` appends.
template <typename Find>
void cut_at_matches(Words& words, Behavior behavior, bool invert, Find find) {
  thread_local std::vector<Span> matches;
  cut_words(words, [&](std::string_view word, std::uint32_t start, std::vector<Span>& pieces) {
    matches.clear();
    find(word, matches);
    cut_by(matches, behavior, invert, word.size(), start, pieces);
  });
}

}  // namespace graft
