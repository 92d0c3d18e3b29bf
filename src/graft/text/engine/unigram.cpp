#include "unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "byte_tokens.h"
#include "utf8.h"

namespace graft {
namespace {

// How much less an unknown character scores than the worst token.
constexpr double kUnknownPenalty = 10.0;

Vocabulary vocabulary_of(const std::vector<UnigramPiece>& pieces) {
  std::vector<VocabularyEntry> entries;
  for (const UnigramPiece& piece : pieces) {
    entries.push_back({piece.token, static_cast<std::int64_t>(entries.size())});
  }
  return Vocabulary(entries);
}

Trie trie_of_scored(const Vocabulary& vocabulary, const std::vector<UnigramPiece>& pieces) {
  std::vector<Trie::Key> keys;
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    if (!pieces[id].score) continue;
    keys.push_back({vocabulary.token(static_cast<std::int64_t>(id)), static_cast<std::int32_t>(id)});
  }
  return Trie(std::move(keys));
}

std::vector<double> scores_of(const std::vector<UnigramPiece>& pieces) {
  std::vector<double> scores;
  for (const UnigramPiece& piece : pieces) {
    if (piece.score && !std::isfinite(*piece.score)) {
      throw std::invalid_argument("the score of token " + quoted(piece.token) + " is " +
                                  std::to_string(*piece.score));
    }
    scores.push_back(piece.score.value_or(std::numeric_limits<double>::quiet_NaN()));
  }
  return scores;
}

std::int32_t check_unk_id(std::int64_t unk_id, std::size_t pieces) {
  if (unk_id >= 0 && unk_id < static_cast<std::int64_t>(pieces)) return static_cast<std::int32_t>(unk_id);
  throw std::invalid_argument("unk_id is " + std::to_string(unk_id) + ", but there are " +
                              std::to_string(pieces) + " tokens");
}

double lowest(const std::vector<double>& scores) {
  double low = std::numeric_limits<double>::infinity();
  for (const double score : scores) low = score < low ? score : low;  // never one that is NaN
  return std::isfinite(low) ? low : 0.0;
}

}  // namespace

// What a thread works in. Ways are kept from `from` on only: where no token reaches over a place, every way
// leads through it, so what comes before it is settled. Scores go on from there, as sums of rounded numbers
// depend on their order.
struct Unigram::Scratch {
  bool single = false;  // whether scores are rounded to float
  std::vector<Way> ways;
  std::uint32_t from = 0;
  std::vector<Token> best;          // backwards
  std::uint32_t unknown_start = 0;  // a run of unknown tokens, perhaps to be continued
  std::uint32_t unknown_end = 0;

  void restart(std::uint32_t place, double score) {
    ways.assign(1, {score, place, kNoWay});
    from = place;
  }
  // Sums of a long text lose digits. SentencePiece counts from a place anew once it scores below this.
  void count_anew_from(std::uint32_t place) {
    constexpr double kLowest = -100'000.0;
    const double base = ways[place - from].score;
    if (base >= kLowest) return;
    for (auto way = ways.begin() + (place - from); way != ways.end(); ++way) {
      way->score = static_cast<float>(way->score - base);
    }
  }
  std::uint32_t reach() const { return from + static_cast<std::uint32_t>(ways.size()) - 1; }
  void offer(std::uint32_t end, double score, std::uint32_t start, std::int32_t id) {
    if (end > reach()) ways.resize(end - from + 1);
    Way& way = ways[end - from];
    if (single) score = static_cast<float>(score);
    if (way.id == kNoWay || score > way.score) way = {score, start, id};
  }
};

Unigram::Unigram(const std::vector<UnigramPiece>& pieces, const UnigramOptions& options)
    : vocabulary_(vocabulary_of(pieces)),
      trie_(trie_of_scored(vocabulary_, pieces)),
      scores_(scores_of(pieces)),
      unk_id_(check_unk_id(options.unk_id, pieces.size())),
      unk_score_(options.unk_score.value_or(lowest(scores_) - kUnknownPenalty)),
      byte_fallback_(options.byte_fallback),
      single_precision_(options.single_precision),
      byte_tokens_(byte_fallback_ids(vocabulary_)) {
  if (!std::isfinite(unk_score_)) throw std::invalid_argument("unk_score is not finite");
}

void Unigram::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  thread_local Scratch scratch;
  scratch.single = single_precision_;
  scratch.restart(0, 0.0);
  scratch.unknown_start = scratch.unknown_end = 0;
  const auto size = static_cast<std::uint32_t>(word.size());
  for (std::uint32_t start = 0; start < size;) {
    std::uint32_t end = start + 1;
    while (end < size && !starts_char(word[end])) ++end;
    advance(word, start, end, scratch);
    start = end;
    if (scratch.reach() == start) take_best(word, scratch, tokens);
  }
  end_unknown(word, scratch, tokens);
  constexpr std::size_t kKept = 1 << 16;  // memory that only a huge word needs is given back
  if (scratch.ways.capacity() > kKept) scratch = Scratch();
}

// Offers all tokens that start with the character [start, char_end).
void Unigram::advance(std::string_view word, std::uint32_t start, std::uint32_t char_end,
                      Scratch& scratch) const {
  if (scratch.single) scratch.count_anew_from(start);
  const double score = scratch.ways[start - scratch.from].score;
  bool has_char = false;
  std::uint32_t node = Trie::kRoot;
  for (std::uint32_t at = start; at < word.size();) {
    node = trie_.child(node, word[at++]);
    if (node == Trie::kNone) break;
    const std::int32_t id = trie_.value(node);
    if (id < 0) continue;
    scratch.offer(at, scores_[static_cast<std::size_t>(id)] + score, start, id);
    has_char = has_char || at == char_end;
  }
  if (!has_char) scratch.offer(char_end, unk_score_ + score, start, unk_id_);
}

// Appends the tokens of the best way as far as it reaches, and starts anew from there.
void Unigram::take_best(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const {
  const std::uint32_t place = scratch.reach();
  scratch.best.clear();
  for (std::uint32_t end = place; end > scratch.from;) {
    const Way& way = scratch.ways[end - scratch.from];
    scratch.best.push_back({way.id, way.start, end});
    end = way.start;
  }
  for (auto token = scratch.best.rbegin(); token != scratch.best.rend(); ++token) {
    if (token->id == unk_id_) {
      if (scratch.unknown_end == scratch.unknown_start) scratch.unknown_start = token->start;
      scratch.unknown_end = token->end;
    } else {
      end_unknown(word, scratch, tokens);
      tokens.push_back(*token);
    }
  }
  scratch.restart(place, scratch.ways.back().score);
}

// Appends a run of unknown tokens as one: it may spell a token that scored too low, and else its bytes may
// have tokens.
void Unigram::end_unknown(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const {
  const std::uint32_t start = scratch.unknown_start;
  const std::uint32_t end = scratch.unknown_end;
  if (start == end) return;
  scratch.unknown_start = scratch.unknown_end = 0;
  const std::string_view run = word.substr(start, end - start);
  std::int32_t id = vocabulary_.find(run);
  if (id != Vocabulary::kNone && std::isnan(scores_[static_cast<std::size_t>(id)])) id = Vocabulary::kNone;
  if (id == Vocabulary::kNone && byte_fallback_ && append_bytes(run, start, tokens)) return;
  tokens.push_back({id == Vocabulary::kNone ? unk_id_ : id, start, end});
}

// One token per byte, each standing for the whole run; none where a byte has no token.
bool Unigram::append_bytes(std::string_view run, std::uint32_t start, std::vector<Token>& tokens) const {
  const auto id_of = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  if (std::any_of(run.begin(), run.end(), [&](char byte) { return id_of(byte) == Vocabulary::kNone; }))
    return false;
  const auto end = start + static_cast<std::uint32_t>(run.size());
  for (const char byte : run) tokens.push_back({id_of(byte), start, end});
  return true;
}

}  // namespace graft
