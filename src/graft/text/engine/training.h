// Learning a vocabulary from counted words: BPE, WordPiece and Unigram.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <shared_mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft {

// How often each word occurs. A flat hash table over one arena: its memory grows with the different
// words, not with the corpus, and counting a known word allocates nothing.
class WordCounter {
 public:
  struct Word {
    std::string_view bytes;
    std::uint64_t count;
  };

  // Empty words and counts of nothing are left out.
  void add(std::string_view word, std::uint64_t count = 1);
  void merge(const WordCounter& other);
  std::size_t size() const { return entries_.size(); }
  Word operator[](std::size_t index) const;
  // By bytes, so that what is learned does not depend on the order in which words were counted.
  std::vector<Word> sorted() const;

  // Held by who counts (alone) and by who trains (shared). Python's threads can reach one counter at
  // the same time, so that both take it by trying and fail where it is in use.
  std::shared_mutex& in_use() const { return in_use_; }

 private:
  struct Entry {
    std::uint64_t count;
    std::uint64_t start;  // in the arena
    std::uint32_t length;
    std::uint32_t hash;
  };

  void append(std::string_view word, std::uint32_t hash, std::size_t slot);
  void grow();

  std::string arena_;
  std::vector<Entry> entries_;
  std::vector<std::uint32_t> slots_;  // index of an entry + 1, 0 where free; a power of two of them
  std::uint64_t bytes_counted_ = 0;
  mutable std::shared_mutex in_use_;
};

// Tells how far a training is, a few times a second. What the callback throws stops the training.
class Progress {
 public:
  using Callback = std::function<void(std::uint64_t done, std::uint64_t total)>;

  explicit Progress(Callback callback) : callback_(std::move(callback)) {}
  void report(std::uint64_t done, std::uint64_t total);
  void finish(std::uint64_t total);

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::milliseconds kInterval{250};

  Callback callback_;
  Clock::time_point next_ = Clock::now() + kInterval;
};

// The characters that a vocabulary is built from.
struct Alphabet {
  std::vector<char32_t> chars;  // by code point

  // Those of all words and of `initial`, cut to the `limit` most frequent; `initial` counts as the most
  // frequent. Throws where a word is not UTF-8.
  static Alphabet of_words(std::span<const WordCounter::Word> words, std::span<const char32_t> initial,
                           std::optional<std::size_t> limit, bool byte_level);
};

// Throws where one comes twice or is empty.
void check_special_tokens(std::span<const std::string> tokens);
// Throws where there is nothing to train on.
void check_words(const WordCounter& counter);

struct BpeTrainingOptions {
  std::size_t vocab_size = 30000;
  std::uint64_t min_frequency = 0;
  std::vector<std::string> special_tokens;
  std::optional<std::size_t> limit_alphabet;
  std::vector<char32_t> initial_alphabet;
  std::string continuing_subword_prefix;
  std::string end_of_word_suffix;
  std::optional<std::size_t> max_token_length;
  bool byte_level = false;  // tokens are made of bytes and written as kByteAlphabet says
};

struct BpeVocabulary {
  std::vector<std::string> tokens;  // by id
  std::vector<std::pair<std::string, std::string>> merges;
};

// Merges the most frequent pair of neighbours until the vocabulary is full (Sennrich et al., 2016).
BpeVocabulary train_bpe(const WordCounter& counter, const BpeTrainingOptions& options, Progress& progress);

// As BPE; inside a word, tokens start with the options' prefix. Gives tokens by id.
std::vector<std::string> train_wordpiece(const WordCounter& counter, const BpeTrainingOptions& options,
                                         Progress& progress);

struct UnigramTrainingOptions {
  std::size_t vocab_size = 8000;
  std::vector<std::string> special_tokens;
  std::vector<char32_t> initial_alphabet;
  std::optional<std::string> unk_token;
  std::size_t max_piece_length = 16;
  double shrinking_factor = 0.75;
  std::size_t n_sub_iterations = 2;
  std::size_t seed_size = 1'000'000;
};

using ScoredPiece = std::pair<std::string, double>;

// Prunes frequent substrings to the vocabulary under which the words are likeliest (Kudo, 2018). Gives
// special tokens, then pieces by falling log probability.
std::vector<ScoredPiece> train_unigram(const WordCounter& counter, const UnigramTrainingOptions& options,
                                       Progress& progress);

}  // namespace graft
