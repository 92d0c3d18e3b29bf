// Splitting that rewrites the text: spaces put before words, and spaces made visible.
#include <algorithm>
#include <stdexcept>

#include "splits_cut.h"

namespace graft {

namespace {

std::string_view bytes_of(const Words& words, Span word) {
  return std::string_view(words.text.bytes).substr(word.start, word.end - word.start);
}

// Rewrites each word, before which comes `prefix` where `wants_prefix(word)`; it stands for the
// word's first character. `copy(out, end)` rewrites the rest of a word, up to the byte `end`.
template <typename WantsPrefix, typename Copy>
void rewrite_words(Words& words, std::string_view prefix, WantsPrefix wants_prefix, Copy copy) {
  Rewriter out(words.text);
  for (Span& word : words.words) {
    out.copy_to(word.start);
    const std::size_t start = out.size();
    if (wants_prefix(word)) {
      const char32_t first = out.take();
      out.put(prefix);
      out.put(first);
    }
    copy(out, word.end);
    word = make_span(start, out.size());
  }
  out.finish();
}

}  // namespace

void ByteLevelPreTokenizer::split(Words& words) const {
  const auto wants_space = [&](Span word) { return words.text.bytes[word.start] != ' '; };
  if (add_prefix_space_ && std::any_of(words.words.begin(), words.words.end(), wants_space)) {
    rewrite_words(words, " ", wants_space, [](Rewriter& out, std::size_t end) { out.copy_to(end); });
  }
  if (use_regex_) cut_at_matches(words, Behavior::kIsolated, false, find_gpt2);
}

Metaspace::Metaspace(std::string replacement, Prepend prepend, bool split)
    : replacement_(std::move(replacement)), prepend_(prepend), split_(split) {
  std::size_t at = 0;
  if (!replacement_.empty()) next_char(replacement_, at);
  if (at == 0 || at != replacement_.size()) {
    throw std::invalid_argument("Metaspace's replacement \"" + replacement_ + "\" is not one character");
  }
}

bool Metaspace::wants_prefix(const Words& words, Span word) const {
  if (prepend_ == Prepend::kNever) return false;
  const std::string_view bytes = bytes_of(words, word);
  if (bytes.starts_with(' ') || bytes.starts_with(replacement_)) return false;
  if (prepend_ == Prepend::kAlways) return true;
  if (words.whole) return words.begin == 0;
  if (words.text.aligned) return words.text.origins[word.start].start == 0;
  return words.begin == 0 && word.start == 0;
}

void Metaspace::rewrite(Words& words) const {
  const std::string_view text = words.text.bytes;
  const auto wants = [&](Span word) { return wants_prefix(words, word); };
  rewrite_words(words, replacement_, wants, [&](Rewriter& out, std::size_t end) {
    while (out.at() < end) {
      const std::size_t space = text.substr(out.at(), end - out.at()).find(' ');
      if (space == std::string_view::npos) return out.copy_to(end);
      out.copy_to(out.at() + space);
      out.take();
      out.put(replacement_);
    }
  });
}

void Metaspace::split(Words& words) const {
  rewrite(words);
  if (!split_) return;
  const auto find = [this](std::string_view word, std::vector<Span>& matches) {
    find_literal(replacement_, word, matches);
  };
  cut_at_matches(words, Behavior::kMergedWithNext, false, find);
}

}  // namespace graft
