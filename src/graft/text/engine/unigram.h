// The unigram language model (Kudo, 2018): the cut of a word into tokens whose scores have the highest
// sum, found by Viterbi's algorithm.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "model.h"
#include "trie.h"

namespace graft {

// A token and the logarithm of its probability. One without a score is never found in a word: so
// SentencePiece treats its control pieces.
struct UnigramPiece {
  std::string_view token;
  std::optional<double> score;
};

struct UnigramOptions {
  std::int64_t unk_id = 0;
  std::optional<double> unk_score;  // of an unknown character; else 10 less than the lowest score
  bool byte_fallback = false;
  // Whether sums of scores are rounded to float, as SentencePiece does: of ways to cut a word that are about
  // as good, another one may then be the best.
  bool single_precision = false;
};

class Unigram : public Model {
 public:
  // Throws std::invalid_argument where a score is not finite or unk_id is out of range.
  Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options);

  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  // The best way to a place in a word: what all tokens up to it score, and the last one of them.
  struct Way {
    double score = 0;
    std::uint32_t start = 0;
    std::int32_t id = kNoWay;
  };
  struct Scratch;
  static constexpr std::int32_t kNoWay = -1;

  void advance(std::string_view word, std::uint32_t start, std::uint32_t char_end, Scratch& scratch) const;
  void take_best(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const;
  void end_unknown(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const;
  bool append_bytes(std::string_view run, std::uint32_t start, std::vector<Token>& tokens) const;

  Vocabulary vocabulary_;
  Trie trie_;
  std::vector<double> scores_;  // NaN: none
  std::int32_t unk_id_;
  double unk_score_;
  bool byte_fallback_;
  bool single_precision_;
  std::array<std::int32_t, 256> byte_tokens_;
};

}  // namespace graft
