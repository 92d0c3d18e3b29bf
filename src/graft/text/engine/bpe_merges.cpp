#include "bpe_merges.h"

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string>

#include "utf8.h"

namespace graft {
namespace {

char32_t first_char(std::string_view token) {
  std::size_t at = 0;
  return token.empty() ? 0 : next_char(token, at);
}

char32_t last_char(std::string_view token) {
  if (token.empty()) return 0;
  std::size_t at = token.size() - 1;
  while (at > 0 && !starts_char(token[at])) --at;
  return next_char(token, at);
}

std::string_view without(std::string_view prefix, std::string_view token) {
  return token.starts_with(prefix) ? token.substr(prefix.size()) : token;
}

}  // namespace

// What a thread works in while it merges many symbols.
struct BPEMerges::Links {
  std::vector<std::uint32_t> previous;
  std::vector<std::uint32_t> next;
  std::vector<std::uint32_t> ranks;  // of each symbol with the one after it
  std::vector<std::uint64_t> queue;  // a heap of ranks and places; outdated where `ranks` says otherwise

  static std::uint64_t entry(std::uint32_t rank, std::uint32_t place) {
    return static_cast<std::uint64_t>(rank) << 32 | place;
  }
  void set_rank(std::uint32_t place, std::uint32_t rank) {
    ranks[place] = rank;
    if (rank == PairTable::kNone) return;
    queue.push_back(entry(rank, place));
    std::push_heap(queue.begin(), queue.end(), std::greater<>());
  }
};

BPEMerges::BPEMerges(const Vocabulary& vocabulary, const std::vector<BPEMerge>& merges,
                     std::string_view prefix)
    : pairs_(merges.size()) {
  std::string spelled;
  for (std::size_t i = 0; i < merges.size(); ++i) {
    try {
      add(vocabulary, merges[i], prefix, spelled);
    } catch (const std::invalid_argument& error) {
      throw std::invalid_argument("merges[" + std::to_string(i) + "] (" + quoted(merges[i].left) + " and " +
                                  quoted(merges[i].right) + ") " + error.what());
    }
  }
  find_crossings(vocabulary, merges, prefix);
}

void BPEMerges::add(const Vocabulary& vocabulary, const BPEMerge& merge, std::string_view prefix,
                    std::string& spelled) {
  const auto id_of = [&](std::string_view token) {
    const std::int32_t id = vocabulary.find(token);
    if (id == Vocabulary::kNone)
      throw std::invalid_argument("needs " + quoted(token) + ", which is no token");
    return id;
  };
  const std::int32_t left = id_of(merge.left);
  const std::int32_t right = id_of(merge.right);
  if (!merge.right.starts_with(prefix) || merge.right.size() == prefix.size()) {
    throw std::invalid_argument("has a second part that is not " + quoted(prefix) + " and more");
  }
  spelled.assign(merge.left).append(merge.right.substr(prefix.size()));
  const std::int32_t id = id_of(spelled);
  pairs_.set(static_cast<std::uint32_t>(left), static_cast<std::uint32_t>(right), {merge.rank, id});
}

void BPEMerges::find_crossings(const Vocabulary& vocabulary, const std::vector<BPEMerge>& merges,
                               std::string_view prefix) {
  for (std::size_t id = 0; id < vocabulary.id_count(); ++id) {
    const std::string_view token = vocabulary.token(static_cast<std::int64_t>(id));
    first_chars_.push_back(first_char(without(prefix, token)));
    last_chars_.push_back(last_char(token));
  }
  std::vector<std::pair<char32_t, char32_t>> crossings;
  for (const BPEMerge& merge : merges) {
    crossings.emplace_back(last_char(merge.left), first_char(merge.right.substr(prefix.size())));
  }
  std::sort(crossings.begin(), crossings.end());
  crossings.erase(std::unique(crossings.begin(), crossings.end()), crossings.end());
  crossings_ = PairTable(crossings.size());
  for (const auto& [last, first] : crossings) crossings_.set(last, first, {0, 0});
}

bool BPEMerges::may_cross(const BPESymbol& left, const BPESymbol& right) const {
  const char32_t last = last_chars_[static_cast<std::size_t>(left.id)];
  const char32_t first = first_chars_[static_cast<std::size_t>(right.id)];
  return crossings_.find(last, first).rank != PairTable::kNone;
}

void BPEMerges::apply(std::vector<BPESymbol>& symbols) const {
  if (symbols.size() <= kFew) {
    symbols.resize(merge_few(symbols.data(), symbols.size()));
    return;
  }
  thread_local Links links;
  std::size_t kept = 0;
  for (std::size_t start = 0; start < symbols.size();) {
    std::size_t end = start + 1;
    while (end < symbols.size() && may_cross(symbols[end - 1], symbols[end])) ++end;
    BPESymbol* part = symbols.data() + start;
    const std::size_t size = end - start;
    const std::size_t left = size <= kFew ? merge_few(part, size) : merge_many(part, size, links);
    std::copy(part, part + left, symbols.data() + kept);
    kept += left;
    start = end;
  }
  symbols.resize(kept);
  constexpr std::size_t kKept = 1 << 18;  // memory that only a huge word needs is given back
  if (links.queue.capacity() > kKept) links = Links();
}

std::size_t BPEMerges::merge_few(BPESymbol* symbols, std::size_t size) const {
  std::array<std::uint32_t, kFew> ranks;  // of each symbol with the one after it
  for (std::size_t i = 0; i + 1 < size; ++i) ranks[i] = rank(symbols[i], symbols[i + 1]);
  while (size > 1) {
    std::size_t best = 0;
    for (std::size_t i = 1; i + 1 < size; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == PairTable::kNone) break;
    symbols[best] = merged(symbols[best], symbols[best + 1]);
    --size;
    for (std::size_t i = best + 1; i < size; ++i) {
      symbols[i] = symbols[i + 1];
      ranks[i - 1] = ranks[i];
    }
    if (best > 0) ranks[best - 1] = rank(symbols[best - 1], symbols[best]);
    if (best + 1 < size) ranks[best] = rank(symbols[best], symbols[best + 1]);
  }
  return size;
}

std::size_t BPEMerges::merge_many(BPESymbol* symbols, std::size_t size, Links& links) const {
  const auto count = static_cast<std::uint32_t>(size);
  links.previous.resize(size);
  links.next.resize(size);
  links.ranks.assign(size, PairTable::kNone);
  links.queue.clear();
  for (std::uint32_t i = 0; i < count; ++i) {
    links.previous[i] = i - 1;
    links.next[i] = i + 1;
    if (i + 1 == count) break;
    links.ranks[i] = rank(symbols[i], symbols[i + 1]);
    if (links.ranks[i] != PairTable::kNone) links.queue.push_back(Links::entry(links.ranks[i], i));
  }
  std::make_heap(links.queue.begin(), links.queue.end(), std::greater<>());
  while (!links.queue.empty()) {
    const std::uint64_t entry = links.queue.front();
    std::pop_heap(links.queue.begin(), links.queue.end(), std::greater<>());
    links.queue.pop_back();
    const auto place = static_cast<std::uint32_t>(entry);
    if (links.ranks[place] == entry >> 32) merge_at(place, symbols, count, links);
  }
  std::size_t kept = 0;
  for (std::uint32_t i = 0; i < count; i = links.next[i]) symbols[kept++] = symbols[i];
  return kept;
}

// Merges the symbol at a place with the one after it.
void BPEMerges::merge_at(std::uint32_t place, BPESymbol* symbols, std::uint32_t size, Links& links) const {
  const std::uint32_t gone = links.next[place];
  const std::uint32_t after = links.next[gone];
  symbols[place] = merged(symbols[place], symbols[gone]);
  links.ranks[gone] = PairTable::kNone;
  links.next[place] = after;
  if (after < size) links.previous[after] = place;
  if (place > 0) {
    const std::uint32_t before = links.previous[place];
    links.set_rank(before, rank(symbols[before], symbols[place]));
  }
  links.set_rank(place, after < size ? rank(symbols[place], symbols[after]) : PairTable::kNone);
}

}  // namespace graft
