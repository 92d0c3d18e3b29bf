// WordPiece (Schuster and Nakajima, 2012), as BERT uses it: the longest token that a word starts with,
// then again for the rest of it.
#pragma once

#include <string>

#include "model.h"
#include "trie.h"

namespace graft {

class WordPiece : public Model {
 public:
  // Throws std::invalid_argument where unk_token is not in the vocabulary.
  WordPiece(Vocabulary vocabulary, const std::string& unk_token, const std::string& continuing_subword_prefix,
            std::size_t max_input_chars_per_word);

  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  bool is_too_long(std::string_view word) const;

  Vocabulary vocabulary_;
  Trie trie_;
  std::int32_t unk_id_;
  std::uint32_t inner_root_ = Trie::kRoot;  // where tokens inside of a word start; kNone: there are none
  std::size_t max_chars_;
};

}  // namespace graft
