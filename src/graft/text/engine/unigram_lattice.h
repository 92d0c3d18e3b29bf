// All ways in which pieces make up the words that Unigram is trained on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "suffix_array.h"
#include "training.h"

namespace graft {

struct UnigramCorpus {
  struct Word {
    std::uint32_t start;  // in the text
    std::uint32_t end;
    std::uint64_t count;
  };

  std::vector<char32_t> chars;  // symbol i + 1 is chars[i]
  SymbolText text;
  std::vector<Word> words;
};

// A piece by one of the places where it occurs in the text.
struct Piece {
  std::uint32_t place;
  std::uint32_t length;
};

// Which pieces end where. Pieces are only ever taken away while a vocabulary is learned, so that each is
// looked for once, and no word is ever matched against a vocabulary.
class UnigramLattice {
 public:
  static constexpr std::uint32_t kMostPieces = 1 << 24;
  static constexpr std::uint32_t kLongestPiece = 255;

  // The first pieces are the corpus' characters, the others what its sorted suffixes start with.
  UnigramLattice(const UnigramCorpus& corpus, std::span<const std::uint32_t> suffixes,
                 std::span<const Substring> substrings);

  // Gives the pieces new numbers; without one, a piece is taken away.
  static constexpr std::uint32_t kGone = 0xFFFFFFFF;
  void renumber(std::span<const std::uint32_t> numbers);

  // Adds to `expected` how often each piece is to be expected in the word, by all ways to cut it and the
  // pieces' probabilities.
  void expect(const UnigramCorpus::Word& word, std::span<const double> probability,
              std::span<double> expected);

  // The pieces that stand in best for one that is gone.
  std::span<const std::uint32_t> best_without(const Piece& piece, std::span<const double> score);

 private:
  struct Edge {
    std::uint32_t piece : 24;
    std::uint32_t length : 8;
  };

  std::span<const Edge> ending_at(std::uint32_t place) const {
    return {edges_.data() + ends_[place], edges_.data() + ends_[place + 1]};
  }

  std::uint32_t longest_ = 1;
  std::vector<std::size_t> ends_;  // by place: where in edges_ those of pieces that end before it start
  std::vector<Edge> edges_;

  // To work in.
  std::vector<double> reached_;
  std::vector<double> shares_;
  std::vector<double> passed_;
  std::vector<Edge> steps_;
  std::vector<std::uint32_t> path_;
};

}  // namespace graft
