// The words that BPE is trained on, as ids of the symbols they are made of.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "training.h"

namespace graft {

// Tokens by id, each once.
class TokenList {
 public:
  // The token's id, a new one where it was not there.
  std::uint32_t add(const std::string& token);
  bool contains(const std::string& token) const { return ids_.contains(token); }
  const std::string& operator[](std::uint32_t id) const { return tokens_[id]; }
  std::size_t size() const { return tokens_.size(); }
  std::vector<std::string> take() { return std::move(tokens_); }

 private:
  std::vector<std::string> tokens_;
  std::unordered_map<std::string, std::uint32_t> ids_;
};

// All words lie in one array; merging makes a word shorter where it lies.
struct BpeWords {
  struct Word {
    std::uint64_t start;
    std::uint32_t length;
    std::int64_t count;
  };

  std::vector<std::uint32_t> symbols;
  std::vector<Word> words;

  std::span<std::uint32_t> of(const Word& word) { return {symbols.data() + word.start, word.length}; }
};

// Adds special tokens, the alphabet and its forms inside and at the end of words to `tokens`, and cuts the
// words into them. Characters outside the alphabet are left out.
BpeWords cut_into_symbols(const WordCounter& counter, const BpeTrainingOptions& options, TokenList& tokens);

}  // namespace graft
