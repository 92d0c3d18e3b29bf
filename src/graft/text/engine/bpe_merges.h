// The merges of byte-pair encoding, and how they are applied to a word's symbols.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "pair_table.h"
#include "vocabulary.h"

namespace graft {

// A merge of two tokens into the one that they spell together.
struct BPEMerge {
  std::string_view left;
  std::string_view right;
  std::uint32_t rank = 0;  // those of one rank merge from left to right
};

// A piece of a word under way: at first a character or byte. Symbols follow each other without gaps, so
// that their lengths say where they are.
struct BPESymbol {
  std::int32_t id = 0;
  std::uint32_t length = 0;  // bytes of the word
};

class BPEMerges {
 public:
  // `prefix` starts every token that does not start a word, and is left out where tokens are merged.
  // Throws std::invalid_argument where a merge names what is no token.
  BPEMerges(const Vocabulary& vocabulary, const std::vector<BPEMerge>& merges, std::string_view prefix);

  // Merges the pair of the lowest rank, and of those the leftmost one, until none is left.
  void apply(std::vector<BPESymbol>& symbols) const;

 private:
  struct Links;

  // How many symbols are merged by looking through their ranks, which is quicker than a heap for few.
  static constexpr std::size_t kFew = 48;

  void add(const Vocabulary& vocabulary, const BPEMerge& merge, std::string_view prefix,
           std::string& spelled);
  void find_crossings(const Vocabulary& vocabulary, const std::vector<BPEMerge>& merges,
                      std::string_view prefix);

  const PairTable::Found& found(const BPESymbol& left, const BPESymbol& right) const {
    return pairs_.find(static_cast<std::uint32_t>(left.id), static_cast<std::uint32_t>(right.id));
  }
  std::uint32_t rank(const BPESymbol& left, const BPESymbol& right) const { return found(left, right).rank; }
  BPESymbol merged(const BPESymbol& left, const BPESymbol& right) const {
    return {found(left, right).id, left.length + right.length};
  }
  bool may_cross(const BPESymbol& left, const BPESymbol& right) const;
  // Both leave the symbols at the front, and return how many.
  std::size_t merge_few(BPESymbol* symbols, std::size_t size) const;
  std::size_t merge_many(BPESymbol* symbols, std::size_t size, Links& links) const;
  void merge_at(std::uint32_t place, BPESymbol* symbols, std::uint32_t size, Links& links) const;

  PairTable pairs_;
  // The first and last character of each token, by id, and which characters meet where tokens are merged:
  // between two that do not, nothing is ever merged, and what stands before and behind is independent.
  std::vector<char32_t> first_chars_;
  std::vector<char32_t> last_chars_;
  PairTable crossings_{0};
};

}  // namespace graft
