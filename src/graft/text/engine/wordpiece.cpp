#include "wordpiece.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "utf8.h"

namespace graft {

WordPiece::WordPiece(Vocabulary vocabulary, const std::string& unk_token,
                     const std::string& continuing_subword_prefix, std::size_t max_input_chars_per_word)
    : vocabulary_(std::move(vocabulary)),
      trie_(trie_of(vocabulary_)),
      unk_id_(vocabulary_.find(unk_token)),
      max_chars_(max_input_chars_per_word) {
  if (unk_id_ == Vocabulary::kNone) {
    throw std::invalid_argument("unk_token " + quoted(unk_token) + " is not in the vocabulary");
  }
  for (const char byte : continuing_subword_prefix) {
    if (inner_root_ != Trie::kNone) inner_root_ = trie_.child(inner_root_, byte);
  }
}

bool WordPiece::is_too_long(std::string_view word) const {
  if (word.size() <= max_chars_) return false;
  return static_cast<std::size_t>(std::count_if(word.begin(), word.end(), starts_char)) > max_chars_;
}

void WordPiece::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  const auto size = static_cast<std::uint32_t>(word.size());
  const std::size_t before = tokens.size();
  bool known = !is_too_long(word);
  std::uint32_t root = Trie::kRoot;
  for (std::uint32_t start = 0; known && start < size;) {
    Token longest{-1, start, start};
    std::uint32_t node = root;
    for (std::uint32_t at = start; at < size && node != Trie::kNone;) {
      node = trie_.child(node, word[at++]);
      if (node != Trie::kNone && trie_.value(node) >= 0) longest = {trie_.value(node), start, at};
    }
    known = longest.id >= 0;
    if (known) tokens.push_back(longest);
    start = longest.end;
    root = inner_root_;
  }
  if (known) return;
  tokens.resize(before);
  tokens.push_back({unk_id_, 0, size});
}

}  // namespace graft
