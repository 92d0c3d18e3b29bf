// Learning a Unigram vocabulary: more pieces than wanted, then expectation maximization and pruning in turn.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <unordered_set>

#include "training.h"
#include "unigram_lattice.h"
#include "utf8.h"

namespace graft {
namespace {

// Longer words are cut for training, which bounds what a single one takes.
constexpr std::size_t kLongestWord = 4096;
// A piece expected less often than this is not in use.
constexpr double kLeastExpected = 0.5;

// The derivative of the logarithm of the gamma function, for positive numbers.
double digamma(double x) {
  double result = 0.0;
  for (; x < 7.0; x += 1.0) result -= 1.0 / x;
  const double inverse = 1.0 / (x * x);
  // The asymptotic series, whose terms are B(2n) / (2n x^2n) with Bernoulli's numbers B.
  double series = 1.0 / 240 - inverse / 132;
  series = 1.0 / 252 - inverse * series;
  series = 1.0 / 120 - inverse * series;
  series = inverse * (1.0 / 12 - inverse * series);
  return result + std::log(x) - 0.5 / x - series;
}

void check_options(const UnigramTrainingOptions& options) {
  if (!(options.shrinking_factor > 0.0 && options.shrinking_factor < 1.0)) {
    throw std::invalid_argument("shrinking_factor has to be between 0 and 1");
  }
  if (options.n_sub_iterations == 0) throw std::invalid_argument("n_sub_iterations has to be 1 or more");
  if (options.max_piece_length == 0 || options.max_piece_length > UnigramLattice::kLongestPiece) {
    throw std::invalid_argument("max_piece_length has to be from 1 to 255");
  }
  if (options.seed_size > UnigramLattice::kMostPieces / 2) {
    throw std::invalid_argument("seed_size has to be at most " +
                                std::to_string(UnigramLattice::kMostPieces / 2));
  }
}

std::vector<std::string> special_tokens_of(const UnigramTrainingOptions& options) {
  std::vector<std::string> tokens = options.special_tokens;
  if (options.unk_token && std::find(tokens.begin(), tokens.end(), *options.unk_token) == tokens.end()) {
    tokens.insert(tokens.begin(), *options.unk_token);
  }
  check_special_tokens(tokens);
  return tokens;
}

void append_word(const WordCounter::Word& word, std::span<const std::uint32_t> symbol_of,
                 UnigramCorpus& corpus) {
  std::vector<std::uint32_t>& symbols = corpus.text.symbols;
  for (std::size_t at = 0; at < word.bytes.size();) {
    const auto start = static_cast<std::uint32_t>(symbols.size());
    while (at < word.bytes.size() && symbols.size() - start < kLongestWord) {
      symbols.push_back(symbol_of[next_char(word.bytes, at)]);
    }
    corpus.words.push_back({start, static_cast<std::uint32_t>(symbols.size()), word.count});
    symbols.push_back(SymbolText::kWordEnd);
    if (symbols.size() > 0xFFFFFFFF - 2 * kLongestWord) {
      throw std::invalid_argument("the words have too many characters to train on");
    }
  }
}

UnigramCorpus read_corpus(const WordCounter& counter, const UnigramTrainingOptions& options) {
  const std::vector<WordCounter::Word> words = counter.sorted();
  UnigramCorpus corpus;
  corpus.chars = Alphabet::of_words(words, options.initial_alphabet, std::nullopt, false).chars;
  corpus.text.alphabet = static_cast<std::uint32_t>(corpus.chars.size());
  std::vector<std::uint32_t> symbol_of(0x110000, 0);
  for (std::uint32_t i = 0; i < corpus.chars.size(); ++i) symbol_of[corpus.chars[i]] = i + 1;
  for (const WordCounter::Word& word : words) append_word(word, symbol_of, corpus);
  return corpus;
}

class UnigramTraining {
 public:
  UnigramTraining(const WordCounter& counter, const UnigramTrainingOptions& options, Progress& progress);
  std::vector<ScoredPiece> train();

 private:
  struct Seeds {
    std::vector<std::uint32_t> suffixes;
    std::vector<Substring> substrings;
  };

  std::size_t room_for_pieces() const;
  Seeds find_seeds();
  void keep_likeliest_seeds(Seeds& seeds, std::span<const double> counts_before);
  UnigramLattice make_lattice();
  void expect();
  void maximize();
  void prune();
  std::vector<double> losses();
  std::size_t passes_left() const;
  std::string bytes_of(const Piece& piece) const;
  std::vector<ScoredPiece> result() const;
  bool is_char(std::size_t piece) const { return piece < corpus_.chars.size(); }

  const UnigramTrainingOptions& options_;
  Progress& progress_;
  std::vector<std::string> special_tokens_;
  UnigramCorpus corpus_;
  std::size_t target_;               // how many pieces there shall be
  std::vector<Piece> pieces_;        // characters come first and stay
  std::vector<double> expected_;     // for each piece
  std::vector<double> probability_;  // for each piece
  std::size_t passes_ = 0;           // over all words
  UnigramLattice lattice_;
};

UnigramTraining::UnigramTraining(const WordCounter& counter, const UnigramTrainingOptions& options,
                                 Progress& progress)
    : options_(options),
      progress_(progress),
      special_tokens_(special_tokens_of(options)),
      corpus_(read_corpus(counter, options)),
      target_(room_for_pieces()),
      lattice_(make_lattice()) {}

std::size_t UnigramTraining::room_for_pieces() const {
  const std::size_t special = special_tokens_.size();
  const std::size_t needed = special + corpus_.chars.size();
  if (options_.vocab_size < needed) {
    throw std::invalid_argument("vocab_size is " + std::to_string(options_.vocab_size) + ", but " +
                                std::to_string(special) + " special tokens and " +
                                std::to_string(corpus_.chars.size()) + " characters already need " +
                                std::to_string(needed));
  }
  return options_.vocab_size - special;
}

UnigramLattice UnigramTraining::make_lattice() {
  const Seeds seeds = find_seeds();
  for (std::uint32_t i = 0; i < corpus_.chars.size(); ++i) pieces_.push_back({0, 1});
  for (const Substring& seed : seeds.substrings) {
    pieces_.push_back({seeds.suffixes[seed.first], seed.length});
  }
  expected_.resize(pieces_.size());
  probability_.resize(pieces_.size());
  return UnigramLattice(corpus_, seeds.suffixes, seeds.substrings);
}

UnigramTraining::Seeds UnigramTraining::find_seeds() {
  const auto depth = static_cast<std::uint32_t>(options_.max_piece_length);
  Seeds seeds;
  seeds.suffixes = sort_suffixes(corpus_.text, depth);
  std::vector<std::uint32_t> word_at(corpus_.text.symbols.size());
  for (std::uint32_t i = 0; i < corpus_.words.size(); ++i) {
    std::fill(word_at.begin() + corpus_.words[i].start, word_at.begin() + corpus_.words[i].end, i);
  }
  // counts_before[i]: how often the words of the first i suffixes occur together.
  std::vector<double> counts_before(seeds.suffixes.size() + 1, 0.0);
  for (std::size_t i = 0; i < seeds.suffixes.size(); ++i) {
    const std::uint64_t count = corpus_.words[word_at[seeds.suffixes[i]]].count;
    counts_before[i + 1] = counts_before[i] + static_cast<double>(count);
  }
  seeds.substrings = maximal_substrings(corpus_.text, seeds.suffixes, depth);
  keep_likeliest_seeds(seeds, counts_before);
  return seeds;
}

void UnigramTraining::keep_likeliest_seeds(Seeds& seeds, std::span<const double> counts_before) {
  const auto weight = [&](const Substring& seed) {
    return (counts_before[seed.last] - counts_before[seed.first]) * seed.length;
  };
  const std::unordered_set<std::string> special(special_tokens_.begin(), special_tokens_.end());
  std::erase_if(seeds.substrings, [&](const Substring& seed) {
    const bool once = weight(seed) < 2.0 * seed.length;
    return once || special.contains(bytes_of({seeds.suffixes[seed.first], seed.length}));
  });
  std::sort(seeds.substrings.begin(), seeds.substrings.end(), [&](const Substring& a, const Substring& b) {
    const double weight_a = weight(a);
    const double weight_b = weight(b);
    if (weight_a != weight_b) return weight_a > weight_b;
    return a.first != b.first ? a.first < b.first : a.length < b.length;
  });
  if (seeds.substrings.size() > options_.seed_size) seeds.substrings.resize(options_.seed_size);
}

std::vector<ScoredPiece> UnigramTraining::train() {
  std::fill(probability_.begin(), probability_.end(), 1.0 / static_cast<double>(pieces_.size()));
  while (true) {
    for (std::size_t i = 0; i < options_.n_sub_iterations; ++i) {
      expect();
      maximize();
    }
    if (pieces_.size() <= target_) break;
    prune();
  }
  progress_.finish(passes_ * corpus_.words.size());
  return result();
}

// How often pruning and what follows will go over all words.
std::size_t UnigramTraining::passes_left() const {
  double size = static_cast<double>(pieces_.size());
  std::size_t rounds = 1;
  for (; size > static_cast<double>(target_); ++rounds) size *= options_.shrinking_factor;
  return rounds * options_.n_sub_iterations;
}

void UnigramTraining::expect() {
  const std::size_t words = corpus_.words.size();
  const std::size_t total = (passes_ + passes_left()) * words;
  std::fill(expected_.begin(), expected_.end(), 0.0);
  for (std::size_t i = 0; i < words; ++i) {
    lattice_.expect(corpus_.words[i], probability_, expected_);
    if (i % 1024 == 0) progress_.report(passes_ * words + i, total);
  }
  ++passes_;
}

// The mean field of a Dirichlet process: pieces that are expected rarely get less than their share.
void UnigramTraining::maximize() {
  double total = 0.0;
  for (double& expected : expected_) {
    expected = std::max(expected, kLeastExpected);
    total += expected;
  }
  const double log_total = digamma(total);
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    probability_[i] = std::exp(digamma(expected_[i]) - log_total);
  }
}

// By how much the words' log likelihood falls without a piece, when the pieces that stand in for it take
// over its count.
std::vector<double> UnigramTraining::losses() {
  std::vector<double> score(pieces_.size());
  double total = 0.0;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    score[i] = std::log(probability_[i]);
    total += expected_[i];
  }
  std::vector<double> losses(pieces_.size(), 0.0);
  for (std::size_t i = corpus_.chars.size(); i < pieces_.size(); ++i) {
    const double count = expected_[i];
    if (count <= kLeastExpected) continue;
    const std::span<const std::uint32_t> others = lattice_.best_without(pieces_[i], score);
    const double log_total = std::log(total + count * static_cast<double>(others.size() - 1));
    double without = 0.0;
    for (const std::uint32_t other : others) without += std::log(expected_[other] + count) - log_total;
    losses[i] = count * (std::log(count) - std::log(total) - without);
  }
  return losses;
}

void UnigramTraining::prune() {
  const std::vector<double> loss = losses();
  std::vector<std::uint32_t> order;
  std::size_t used = corpus_.chars.size();
  for (std::uint32_t i = static_cast<std::uint32_t>(used); i < pieces_.size(); ++i) {
    order.push_back(i);
    if (expected_[i] > kLeastExpected) ++used;
  }
  const double shrunk_size = static_cast<double>(pieces_.size()) * options_.shrinking_factor;
  const auto shrunk = static_cast<std::size_t>(shrunk_size);
  const std::size_t kept = std::max(target_, std::min(used, shrunk)) - corpus_.chars.size();
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    const bool used_a = expected_[a] > kLeastExpected;
    const bool used_b = expected_[b] > kLeastExpected;
    return used_a != used_b ? used_a : loss[a] > loss[b];
  });
  std::vector<std::uint32_t> numbers(pieces_.size(), 0);
  for (std::size_t i = kept; i < order.size(); ++i) numbers[order[i]] = UnigramLattice::kGone;
  std::uint32_t next = 0;
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    if (numbers[i] == UnigramLattice::kGone) continue;
    numbers[i] = next;
    pieces_[next] = pieces_[i];
    probability_[next] = probability_[i];
    ++next;
  }
  pieces_.resize(next);
  probability_.resize(next);
  expected_.resize(next);
  lattice_.renumber(numbers);
}

std::string UnigramTraining::bytes_of(const Piece& piece) const {
  std::string bytes;
  for (std::uint32_t i = 0; i < piece.length; ++i) {
    append_utf8(bytes, corpus_.chars[corpus_.text.symbols[piece.place + i] - 1]);
  }
  return bytes;
}

std::vector<ScoredPiece> UnigramTraining::result() const {
  std::vector<ScoredPiece> scored;
  for (const std::string& token : special_tokens_) scored.emplace_back(token, 0.0);
  const std::unordered_set<std::string> special(special_tokens_.begin(), special_tokens_.end());
  for (std::size_t i = 0; i < pieces_.size(); ++i) {
    std::string bytes;
    if (is_char(i)) {
      append_utf8(bytes, corpus_.chars[i]);
    } else {
      bytes = bytes_of(pieces_[i]);
    }
    if (!special.contains(bytes)) scored.emplace_back(std::move(bytes), std::log(probability_[i]));
  }
  std::sort(scored.begin() + static_cast<std::ptrdiff_t>(special_tokens_.size()), scored.end(),
            [](const ScoredPiece& a, const ScoredPiece& b) {
              return a.second != b.second ? a.second > b.second : a.first < b.first;
            });
  return scored;
}

}  // namespace

std::vector<ScoredPiece> train_unigram(const WordCounter& counter, const UnigramTrainingOptions& options,
                                       Progress& progress) {
  check_options(options);
  check_words(counter);
  return UnigramTraining(counter, options, progress).train();
}

}  // namespace graft
