// The substrings that words have in common, found by sorting their suffixes.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace graft {

// Words of symbols, one after the other, each closed by kWordEnd. Other symbols are 1...alphabet.
struct SymbolText {
  static constexpr std::uint32_t kWordEnd = 0;

  std::vector<std::uint32_t> symbols;
  std::uint32_t alphabet = 0;
};

// Where the words' suffixes start, sorted by their first `depth` symbols, then by place.
std::vector<std::uint32_t> sort_suffixes(const SymbolText& text, std::uint32_t depth);

// A substring: what suffixes [first, last) of the sorted ones start with.
struct Substring {
  std::uint32_t length;
  std::uint32_t first;
  std::uint32_t last;
};

// Each substring of 2 to `depth` symbols that cannot grow to the right without occurring less often, once.
std::vector<Substring> maximal_substrings(const SymbolText& text, std::span<const std::uint32_t> suffixes,
                                          std::uint32_t depth);

}  // namespace graft
