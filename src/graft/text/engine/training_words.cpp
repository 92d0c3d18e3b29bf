// Counting words.
#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "byte_hash.h"
#include "training.h"

namespace graft {
namespace {

constexpr std::size_t kFirstSlots = 1024;
// Sums of counts stay exact in a double, far from where an int64 overflows.
constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 53;

}  // namespace

void WordCounter::add(std::string_view word, std::uint64_t count) {
  if (word.empty() || count == 0) return;
  if (word.size() >= kMostBytes || count > (kMostBytes - bytes_counted_) / word.size()) {
    throw std::invalid_argument("more than 2^53 bytes of words were counted");
  }
  bytes_counted_ += word.size() * count;
  if (slots_.size() < 2 * (entries_.size() + 1)) grow();
  const auto hash = static_cast<std::uint32_t>(hash_bytes(word));
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  for (; slots_[slot] != 0; slot = (slot + 1) & mask) {
    Entry& entry = entries_[slots_[slot] - 1];
    if (entry.hash == hash && entry.length == word.size() &&
        std::memcmp(arena_.data() + entry.start, word.data(), word.size()) == 0) {
      entry.count += count;
      return;
    }
  }
  append(word, hash, slot);
  entries_.back().count = count;
}

void WordCounter::append(std::string_view word, std::uint32_t hash, std::size_t slot) {
  constexpr std::size_t kMost = std::numeric_limits<std::uint32_t>::max() - 1;
  if (entries_.size() >= kMost || word.size() > kMost) {
    throw std::invalid_argument("too many different words to count, or one too long");
  }
  entries_.push_back({0, arena_.size(), static_cast<std::uint32_t>(word.size()), hash});
  arena_.append(word);
  slots_[slot] = static_cast<std::uint32_t>(entries_.size());
}

void WordCounter::grow() {
  slots_.assign(std::max(kFirstSlots, 2 * slots_.size()), 0);
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t slot = entries_[i].hash & mask;
    while (slots_[slot] != 0) slot = (slot + 1) & mask;
    slots_[slot] = static_cast<std::uint32_t>(i + 1);
  }
}

void WordCounter::merge(const WordCounter& other) {
  for (std::size_t i = 0; i < other.size(); ++i) add(other[i].bytes, other[i].count);
}

WordCounter::Word WordCounter::operator[](std::size_t index) const {
  const Entry& entry = entries_[index];
  return {std::string_view(arena_).substr(entry.start, entry.length), entry.count};
}

std::vector<WordCounter::Word> WordCounter::sorted() const {
  std::vector<Word> words;
  words.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) words.push_back((*this)[i]);
  std::sort(words.begin(), words.end(), [](const Word& a, const Word& b) { return a.bytes < b.bytes; });
  return words;
}

void Progress::report(std::uint64_t done, std::uint64_t total) {
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  callback_(done, total);
  next_ = Clock::now() + kInterval;
}

void Progress::finish(std::uint64_t total) { callback_(total, total); }

}  // namespace graft
