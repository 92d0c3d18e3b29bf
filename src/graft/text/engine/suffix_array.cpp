#include "suffix_array.h"

#include <algorithm>
#include <bit>

namespace graft {
namespace {

// Sorts suffixes by as many symbols as fit into a word at a time: words are short, and few suffixes need
// a second look.
class SuffixSorter {
 public:
  SuffixSorter(const SymbolText& text, std::uint32_t depth)
      : text_(text), depth_(depth), bits_(static_cast<std::uint32_t>(std::bit_width(text.alphabet))) {}

  std::vector<std::uint32_t> sort() {
    items_.clear();
    for (std::uint32_t i = 0; i < text_.symbols.size(); ++i) {
      if (text_.symbols[i] != SymbolText::kWordEnd) items_.push_back({0, i});
    }
    sort_range(0, items_.size(), 0);
    std::vector<std::uint32_t> places;
    places.reserve(items_.size());
    for (const Item& item : items_) places.push_back(item.place);
    return places;
  }

 private:
  struct Item {
    std::uint64_t key;
    std::uint32_t place;
  };

  // The symbols of a suffix from `skipped` on; what is behind the end of its word counts as kWordEnd.
  std::uint64_t key(std::uint32_t place, std::uint32_t skipped) const {
    const std::uint32_t room = std::min(64 / bits_, depth_ - skipped);
    std::uint64_t key = 0;
    bool ended = false;
    for (std::uint32_t i = 0; i < room; ++i) {
      const std::uint32_t symbol = ended ? SymbolText::kWordEnd : text_.symbols[place + skipped + i];
      ended = symbol == SymbolText::kWordEnd;
      key = key << bits_ | symbol;
    }
    return key;
  }

  void sort_range(std::size_t first, std::size_t last, std::uint32_t skipped) {
    for (std::size_t i = first; i < last; ++i) items_[i].key = key(items_[i].place, skipped);
    const auto start = items_.begin() + static_cast<std::ptrdiff_t>(first);
    std::sort(start, items_.begin() + static_cast<std::ptrdiff_t>(last), [](const Item& a, const Item& b) {
      return a.key != b.key ? a.key < b.key : a.place < b.place;
    });
    const std::uint32_t seen = skipped + 64 / bits_;
    if (seen >= depth_) return;
    const std::uint64_t last_symbol = (std::uint64_t{1} << bits_) - 1;
    for (std::size_t i = first; i < last;) {
      std::size_t end = i + 1;
      while (end < last && items_[end].key == items_[i].key) ++end;
      const bool ended = (items_[i].key & last_symbol) == SymbolText::kWordEnd;
      if (end - i > 1 && !ended) sort_range(i, end, seen);
      i = end;
    }
  }

  const SymbolText& text_;
  std::uint32_t depth_;
  std::uint32_t bits_;  // of a symbol
  std::vector<Item> items_;
};

std::uint32_t common_prefix(const SymbolText& text, std::uint32_t a, std::uint32_t b, std::uint32_t depth) {
  std::uint32_t length = 0;
  while (length < depth && text.symbols[a + length] == text.symbols[b + length] &&
         text.symbols[a + length] != SymbolText::kWordEnd) {
    ++length;
  }
  return length;
}

std::uint32_t suffix_length(const SymbolText& text, std::uint32_t place, std::uint32_t depth) {
  std::uint32_t length = 0;
  while (length < depth && text.symbols[place + length] != SymbolText::kWordEnd) ++length;
  return length;
}

}  // namespace

std::vector<std::uint32_t> sort_suffixes(const SymbolText& text, std::uint32_t depth) {
  if (text.symbols.empty()) return {};
  return SuffixSorter(text, depth).sort();
}

// Walks the suffix tree's nodes bottom up, without the tree: `open` holds the substrings that the suffix
// last seen starts with, from short to long (Abouelhoda et al., 2004).
std::vector<Substring> maximal_substrings(const SymbolText& text, std::span<const std::uint32_t> suffixes,
                                          std::uint32_t depth) {
  constexpr std::uint32_t kShortest = 2;
  struct Open {
    std::uint32_t length;
    std::uint32_t first;
  };
  std::vector<Substring> found;
  std::vector<Open> open;
  std::uint32_t before = 0;
  for (std::uint32_t i = 1; i <= suffixes.size(); ++i) {
    const std::uint32_t shared =
        i < suffixes.size() ? common_prefix(text, suffixes[i - 1], suffixes[i], depth) : 0;
    const std::uint32_t own = suffix_length(text, suffixes[i - 1], depth);
    if (own > std::max(before, shared) && own >= kShortest) found.push_back({own, i - 1, i});
    std::uint32_t first = i - 1;
    while (!open.empty() && open.back().length > shared) {
      first = open.back().first;
      found.push_back({open.back().length, first, i});
      open.pop_back();
    }
    if (shared >= kShortest && (open.empty() || open.back().length < shared)) open.push_back({shared, first});
    before = shared;
  }
  return found;
}

}  // namespace graft
