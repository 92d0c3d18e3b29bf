// Splitting at the matches of a pattern, and what becomes of those.
#include <array>
#include <stdexcept>

#include "splits_cut.h"
#include "unicode.h"

namespace graft {

namespace {

struct BehaviorName {
  Behavior behavior;
  std::string_view json;
  std::string_view python;
};

constexpr std::array<BehaviorName, 5> kBehaviors{{
    {Behavior::kRemoved, "Removed", "removed"},
    {Behavior::kIsolated, "Isolated", "isolated"},
    {Behavior::kMergedWithPrevious, "MergedWithPrevious", "merged_with_previous"},
    {Behavior::kMergedWithNext, "MergedWithNext", "merged_with_next"},
    {Behavior::kContiguous, "Contiguous", "contiguous"},
}};

// Takes a word's segments in order, matches and what is between them, and appends pieces.
class Cutter {
 public:
  Cutter(Behavior behavior, std::vector<Span>& pieces) : behavior_(behavior), pieces_(pieces) {}

  void add(Span segment, bool match) {
    if (joins(match)) {
      pieces_.back().end = segment.end;
    } else if (!match || behavior_ != Behavior::kRemoved) {
      pieces_.push_back(segment);
    }
    after_match_ = match;
    first_ = false;
  }

 private:
  bool joins(bool match) const {
    if (first_) return false;
    switch (behavior_) {
      case Behavior::kMergedWithPrevious: return match && !after_match_;
      case Behavior::kMergedWithNext: return !match && after_match_;
      case Behavior::kContiguous: return match == after_match_;
      default: return false;
    }
  }

  Behavior behavior_;
  std::vector<Span>& pieces_;
  bool after_match_ = false;
  bool first_ = true;
};

template <typename Matches>
void find_characters(std::string_view text, std::vector<Span>& matches, Matches is_match) {
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t start = at;
    if (is_match(next_char(text, at))) matches.push_back(make_span(start, at));
  }
}

// An empty pattern matches between any two characters.
void cut_characters(Words& words) {
  cut_words(words, [](std::string_view word, std::uint32_t start, std::vector<Span>& pieces) {
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t begin = at;
      next_char(word, at);
      pieces.push_back(make_span(start + begin, start + at));
    }
  });
}

}  // namespace

Behavior parse_behavior(std::string_view name) {
  for (const auto& known : kBehaviors) {
    if (name == known.json || name == known.python) return known.behavior;
  }
  throw std::invalid_argument("unknown split behavior \"" + std::string(name) +
                              "\": there are Removed, Isolated, MergedWithPrevious, MergedWithNext "
                              "and Contiguous");
}

void cut_by(const std::vector<Span>& matches, Behavior behavior, bool invert, std::size_t size,
            std::uint32_t start, std::vector<Span>& pieces) {
  Cutter cutter(behavior, pieces);
  std::uint32_t done = start;
  for (const Span match : matches) {
    const Span moved{start + match.start, start + match.end};
    if (done < moved.start) cutter.add({done, moved.start}, invert);
    cutter.add(moved, !invert);
    done = moved.end;
  }
  const Span rest = make_span(done, start + size);
  if (rest.start < rest.end) cutter.add(rest, invert);
}

void Digits::split(Words& words) const {
  const Behavior behavior = individual_ ? Behavior::kIsolated : Behavior::kContiguous;
  cut_at_matches(words, behavior, false, [](std::string_view word, std::vector<Span>& matches) {
    find_characters(word, matches, unicode::is_numeric);
  });
}

CharDelimiterSplit::CharDelimiterSplit(std::string delimiter) : delimiter_(std::move(delimiter)) {
  std::size_t at = 0;
  if (!delimiter_.empty()) next_char(delimiter_, at);
  if (at == 0 || at != delimiter_.size()) {
    throw std::invalid_argument("CharDelimiterSplit's delimiter \"" + delimiter_ + "\" is not one character");
  }
}

void CharDelimiterSplit::split(Words& words) const {
  const auto find = [this](std::string_view word, std::vector<Span>& matches) {
    find_literal(delimiter_, word, matches);
  };
  cut_at_matches(words, Behavior::kRemoved, false, find);
}

Split::Split(std::string pattern, Behavior behavior, bool invert, bool regex)
    : find_(regex ? find_pattern(pattern) : nullptr), behavior_(behavior), invert_(invert) {
  if (!regex) literal_ = std::move(pattern);
}

void Split::split(Words& words) const {
  if (find_ != nullptr) {
    cut_at_matches(words, behavior_, invert_, find_);
  } else if (!literal_.empty()) {
    cut_at_matches(words, behavior_, invert_, [this](std::string_view word, std::vector<Span>& matches) {
      find_literal(literal_, word, matches);
    });
  } else if (invert_ && behavior_ == Behavior::kRemoved) {
    words.words.clear();
    words.whole = false;
  } else {
    cut_characters(words);
  }
}

}  // namespace graft
