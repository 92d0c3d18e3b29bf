#include "unigram_lattice.h"

#include <algorithm>
#include <limits>

namespace graft {

UnigramLattice::UnigramLattice(const UnigramCorpus& corpus, std::span<const std::uint32_t> suffixes,
                               std::span<const Substring> substrings) {
  const std::vector<std::uint32_t>& symbols = corpus.text.symbols;
  const auto chars = static_cast<std::uint32_t>(corpus.chars.size());
  // Edges are counted, then each is written behind those of the places before it.
  ends_.assign(symbols.size() + 2, 0);
  const auto each = [&](const auto& visit) {
    for (std::uint32_t i = 0; i < symbols.size(); ++i) {
      if (symbols[i] != SymbolText::kWordEnd) visit(i + 1, symbols[i] - 1, 1);
    }
    for (std::uint32_t i = 0; i < substrings.size(); ++i) {
      const Substring& substring = substrings[i];
      for (const std::uint32_t place : suffixes.subspan(substring.first, substring.last - substring.first)) {
        visit(place + substring.length, chars + i, substring.length);
      }
    }
  };
  each([&](std::uint32_t end, std::uint32_t, std::uint32_t length) {
    ++ends_[end + 1];
    longest_ = std::max(longest_, length);
  });
  for (std::size_t i = 1; i < ends_.size(); ++i) ends_[i] += ends_[i - 1];
  edges_.resize(ends_.back());
  std::vector<std::size_t> next(ends_.begin(), ends_.end() - 1);
  each([&](std::uint32_t end, std::uint32_t piece, std::uint32_t length) {
    edges_[next[end]++] = {piece & (kMostPieces - 1), length & kLongestPiece};
  });
}

void UnigramLattice::renumber(std::span<const std::uint32_t> numbers) {
  std::size_t kept = 0;
  std::size_t at = 0;
  for (std::size_t place = 1; place < ends_.size(); ++place) {
    const std::size_t end = ends_[place];
    for (; at < end; ++at) {
      const std::uint32_t number = numbers[edges_[at].piece];
      if (number == kGone) continue;
      edges_[kept] = edges_[at];
      edges_[kept++].piece = number & (kMostPieces - 1);
    }
    ends_[place] = kept;
  }
  edges_.resize(kept);
  edges_.shrink_to_fit();
}

// Forward, each place is reached with the sum of the probabilities of all ways to it; what matters later
// is only the share that each of its edges has in it. So all that lies as far back as a piece is long can be
// scaled when numbers grow too small, and long words need no logarithms. Backward, the word's count is
// dealt out to the edges by their shares.
void UnigramLattice::expect(const UnigramCorpus::Word& word, std::span<const double> probability,
                            std::span<double> expected) {
  constexpr double kSmall = 1e-150;
  constexpr double kLarge = 1e300;  // far beyond what still weighs against it
  const std::uint32_t length = word.end - word.start;
  const std::size_t first_edge = ends_[word.start + 1];
  reached_.assign(length + 1, 0.0);
  reached_[0] = 1.0;
  shares_.resize(ends_[word.end + 1] - first_edge);
  double* share = shares_.data();
  for (std::uint32_t i = 1; i <= length; ++i) {
    double sum = 0.0;
    const std::span<const Edge> edges = ending_at(word.start + i);
    for (std::size_t k = 0; k < edges.size(); ++k) {
      share[k] = reached_[i - edges[k].length] * probability[edges[k].piece];
      sum += share[k];
    }
    const double scale = 1.0 / sum;
    for (std::size_t k = 0; k < edges.size(); ++k) share[k] *= scale;
    share += edges.size();
    reached_[i] = sum;
    if (sum < kSmall) {
      for (std::uint32_t k = i - std::min(i, longest_); k <= i; ++k) {
        reached_[k] = std::min(reached_[k] / kSmall, kLarge);
      }
    }
  }

  passed_.assign(length + 1, 0.0);
  passed_[length] = static_cast<double>(word.count);
  for (std::uint32_t i = length; i > 0; --i) {
    const std::span<const Edge> edges = ending_at(word.start + i);
    share -= edges.size();
    for (std::size_t k = 0; k < edges.size(); ++k) {
      const double part = passed_[i] * share[k];
      expected[edges[k].piece] += part;
      passed_[i - edges[k].length] += part;
    }
  }
}

std::span<const std::uint32_t> UnigramLattice::best_without(const Piece& piece,
                                                            std::span<const double> score) {
  reached_.assign(piece.length + 1, -std::numeric_limits<double>::infinity());
  reached_[0] = 0.0;
  steps_.assign(piece.length + 1, Edge{0, 0});
  for (std::uint32_t i = 1; i <= piece.length; ++i) {
    for (const Edge& edge : ending_at(piece.place + i)) {
      if (edge.length > i || edge.length == piece.length) continue;
      const double reached = reached_[i - edge.length] + score[edge.piece];
      if (reached <= reached_[i]) continue;
      reached_[i] = reached;
      steps_[i] = edge;
    }
  }
  path_.clear();
  for (std::uint32_t i = piece.length; i > 0; i -= steps_[i].length) path_.push_back(steps_[i].piece);
  return path_;
}

}  // namespace graft
