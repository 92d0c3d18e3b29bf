// Learning BPE merges: the counts of pairs are kept up to date by the few words that each merge changes.
#include <algorithm>
#include <limits>
#include <unordered_set>

#include "bpe_words.h"
#include "training.h"

namespace graft {
namespace {

using Pair = std::uint64_t;  // (left << 32) | right: compares as the two ids do

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr Pair kNoPair = std::numeric_limits<Pair>::max();

Pair make_pair_of(std::uint32_t left, std::uint32_t right) { return Pair{left} << 32 | right; }
std::uint32_t left_of(Pair pair) { return static_cast<std::uint32_t>(pair >> 32); }
std::uint32_t right_of(Pair pair) { return static_cast<std::uint32_t>(pair); }

struct PairCount {
  Pair pair = kNoPair;
  std::int64_t count = 0;
  std::uint32_t group = kNone;  // of the words in which the merge under way has made this pair
};

// How often pairs occur: an open hash table. Places in it are good until the next find_or_add.
class PairCounts {
 public:
  PairCounts() : slots_(std::size_t{1} << 16) {}

  std::size_t find_or_add(Pair pair) {
    std::size_t slot = find(pair);
    if (slots_[slot].pair == pair) return slot;
    if (2 * ++used_ > slots_.size()) {
      grow();
      slot = find(pair);
    }
    slots_[slot].pair = pair;
    return slot;
  }
  // Where the pair is, or where it would be.
  std::size_t find(Pair pair) const {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t hash = pair * 0x9E3779B97F4A7C15;
    std::size_t slot = (hash ^ (hash >> 32)) & mask;
    while (slots_[slot].pair != pair && slots_[slot].pair != kNoPair) slot = (slot + 1) & mask;
    return slot;
  }
  PairCount& operator[](std::size_t slot) { return slots_[slot]; }

 private:
  void grow() {
    std::vector<PairCount> old(2 * slots_.size());
    old.swap(slots_);
    for (const PairCount& entry : old) {
      if (entry.pair != kNoPair) slots_[find(entry.pair)] = entry;
    }
  }

  std::vector<PairCount> slots_;
  std::size_t used_ = 0;
};

// A pair that may be merged in the words of its group, with the count it had when it was queued.
struct Candidate {
  std::int64_t count;
  Pair pair;
  std::uint32_t group;

  // The most frequent comes first, then the smaller ids.
  bool operator<(const Candidate& other) const {
    if (count != other.count) return count < other.count;
    if (pair != other.pair) return pair > other.pair;
    return group > other.group;
  }
};

// The rules are those of the `tokenizers` package, so that the same words give the same merges. Three of
// them are no part of BPE as published, and can be seen in what is learned:
// - A pair's count is not lowered by its own merge. It is seen again only where its parts come together
//   anew, which takes a token that two different merges make.
// - Then the pair is queued once more, for the new words only; the older candidate waits with its older
//   count, and a pair merged twice has the later rank.
// - A pair that would exceed the longest token is not counted, but characters always make pairs.
class BpeTraining {
 public:
  BpeTraining(const WordCounter& counter, const BpeTrainingOptions& options, Progress& progress)
      : options_(options), progress_(progress), words_(cut_into_symbols(counter, options, tokens_)) {
    first_merged_ = tokens_.size();
    lengths_.assign(first_merged_, 1);
    if (options.max_token_length) longest_ = *options.max_token_length;
  }

  BpeVocabulary train();

 private:
  void count_pairs();
  bool next_candidate(Candidate& candidate);
  void merge(const Candidate& candidate);
  std::uint32_t merged_token(Pair pair);
  void merge_in_word(std::uint32_t word, Pair pair, std::uint32_t merged);
  void lower(Pair pair, std::int64_t count) { counts_[counts_.find_or_add(pair)].count -= count; }
  void raise(Pair pair, std::int64_t count, std::uint32_t word);
  bool fits(std::uint32_t left, std::uint32_t right) const {
    return lengths_[left] + lengths_[right] < longest_;
  }
  void queue_groups();
  void tell_progress() {
    progress_.report(tokens_.size() - first_merged_, options_.vocab_size - first_merged_);
  }
  BpeVocabulary result();

  const BpeTrainingOptions& options_;
  Progress& progress_;
  TokenList tokens_;
  BpeWords words_;
  std::size_t first_merged_ = 0;      // the first id that merging gives
  std::vector<std::size_t> lengths_;  // of tokens, in characters
  std::size_t longest_ = std::numeric_limits<std::size_t>::max();
  PairCounts counts_;
  std::vector<std::vector<std::uint32_t>> groups_;  // words, rising
  std::vector<Pair> raised_;                        // one for each group that is not yet queued
  std::vector<Candidate> queue_;                    // a heap
  std::vector<Pair> merges_;
};

BpeVocabulary BpeTraining::train() {
  count_pairs();
  Candidate candidate{};
  while (tokens_.size() < options_.vocab_size && next_candidate(candidate)) {
    merge(candidate);
    queue_groups();
    tell_progress();
  }
  progress_.finish(options_.vocab_size - first_merged_);
  return result();
}

void BpeTraining::count_pairs() {
  for (std::uint32_t i = 0; i < words_.words.size(); ++i) {
    const BpeWords::Word& word = words_.words[i];
    const std::span<const std::uint32_t> symbols = words_.of(word);
    for (std::size_t k = 1; k < symbols.size(); ++k) {
      raise(make_pair_of(symbols[k - 1], symbols[k]), word.count, i);
    }
    if (i % 4096 == 0) tell_progress();
  }
  queue_groups();
}

void BpeTraining::raise(Pair pair, std::int64_t count, std::uint32_t word) {
  PairCount& entry = counts_[counts_.find_or_add(pair)];
  entry.count += count;
  if (entry.group == kNone) {
    entry.group = static_cast<std::uint32_t>(groups_.size());
    groups_.emplace_back();
    raised_.push_back(pair);
  }
  std::vector<std::uint32_t>& group = groups_[entry.group];
  if (group.empty() || group.back() != word) group.push_back(word);
}

void BpeTraining::queue_groups() {
  for (const Pair pair : raised_) {
    PairCount& entry = counts_[counts_.find(pair)];
    if (entry.count > 0) {
      queue_.push_back({entry.count, pair, entry.group});
      std::push_heap(queue_.begin(), queue_.end());
    } else {
      std::vector<std::uint32_t>().swap(groups_[entry.group]);
    }
    entry.group = kNone;
  }
  raised_.clear();
}

// Counts only fall while a candidate waits, unless it is queued again: it is enough to look at the first.
bool BpeTraining::next_candidate(Candidate& candidate) {
  while (!queue_.empty()) {
    std::pop_heap(queue_.begin(), queue_.end());
    candidate = queue_.back();
    const std::int64_t count = counts_[counts_.find(candidate.pair)].count;
    if (candidate.count == count) {
      queue_.pop_back();
      return count > 0 && static_cast<std::uint64_t>(count) >= options_.min_frequency;
    }
    queue_.back().count = count;
    std::push_heap(queue_.begin(), queue_.end());
  }
  return false;
}

void BpeTraining::merge(const Candidate& candidate) {
  const std::uint32_t merged = merged_token(candidate.pair);
  merges_.push_back(candidate.pair);
  const std::vector<std::uint32_t> group = std::move(groups_[candidate.group]);
  for (const std::uint32_t word : group) merge_in_word(word, candidate.pair, merged);
}

std::uint32_t BpeTraining::merged_token(Pair pair) {
  const std::string& prefix = options_.continuing_subword_prefix;
  std::string_view right = tokens_[right_of(pair)];
  if (right.starts_with(prefix)) right.remove_prefix(prefix.size());
  const std::uint32_t id = tokens_.add(tokens_[left_of(pair)] + std::string(right));
  lengths_.resize(tokens_.size());
  lengths_[id] = lengths_[left_of(pair)] + lengths_[right_of(pair)];
  return id;
}

void BpeTraining::merge_in_word(std::uint32_t index, Pair pair, std::uint32_t merged) {
  const std::uint32_t left = left_of(pair);
  const std::uint32_t right = right_of(pair);
  BpeWords::Word& word = words_.words[index];
  const std::span<std::uint32_t> symbols = words_.of(word);
  std::size_t kept = 0;
  for (std::size_t at = 0; at < symbols.size(); ++at) {
    if (symbols[at] != left || at + 1 == symbols.size() || symbols[at + 1] != right) {
      symbols[kept++] = symbols[at];
      continue;
    }
    if (kept > 0) {
      const std::uint32_t before = symbols[kept - 1];
      lower(make_pair_of(before, left), word.count);
      if (fits(before, merged)) raise(make_pair_of(before, merged), word.count, index);
    }
    if (at + 2 < symbols.size()) {
      const std::uint32_t after = symbols[at + 2];
      lower(make_pair_of(right, after), word.count);
      if (fits(merged, after)) raise(make_pair_of(merged, after), word.count, index);
    }
    symbols[kept++] = merged;
    ++at;
  }
  word.length = static_cast<std::uint32_t>(kept);
}

BpeVocabulary BpeTraining::result() {
  BpeVocabulary vocabulary;
  std::unordered_set<Pair> seen;
  for (auto pair = merges_.rbegin(); pair != merges_.rend(); ++pair) {
    if (!seen.insert(*pair).second) continue;
    vocabulary.merges.emplace_back(tokens_[left_of(*pair)], tokens_[right_of(*pair)]);
  }
  std::reverse(vocabulary.merges.begin(), vocabulary.merges.end());
  vocabulary.tokens = tokens_.take();
  return vocabulary;
}

}  // namespace

BpeVocabulary train_bpe(const WordCounter& counter, const BpeTrainingOptions& options, Progress& progress) {
  check_words(counter);
  check_special_tokens(options.special_tokens);
  return BpeTraining(counter, options, progress).train();
}

}  // namespace graft
