// How a normalized text is split into the words that a model tokenizes one by one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "patterns.h"
#include "text.h"

namespace graft {

// A text and its words: ranges of its bytes, rising, never empty, that need not touch.
struct Words {
  Text text;
  std::vector<Span> words;
  std::uint32_t begin = 0;  // where the text starts in the original
  bool whole = true;        // whether the text was not split yet: its only word begins at `begin`

  // Makes the text, which is in place already, its own only word.
  void reset(std::uint32_t begin_in_original);
};

// Splits each word further; it may also rewrite the text, and moves all words along.
class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void split(Words& words) const = 0;
  // Whether the words depend on where in the original they stand, so that the text must be aligned
  // even where nobody asks for spans. `whole`: the text comes unsplit.
  virtual bool needs_origins(bool whole) const;
};

using PreTokenizerPtr = std::shared_ptr<const PreTokenizer>;

// What becomes of the matches of a pattern that splits a word.
enum class Behavior : std::uint8_t { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

// By its name as in tokenizer.json ("MergedWithNext") or as in Python ("merged_with_next").
Behavior parse_behavior(std::string_view name);

// White space goes, punctuation stands alone.
class BertPreTokenizer : public PreTokenizer {
 public:
  void split(Words& words) const override;
};

// Runs of word characters and runs of all others; white space goes.
class Whitespace : public PreTokenizer {
 public:
  void split(Words& words) const override;
};

// What stands between white space.
class WhitespaceSplit : public PreTokenizer {
 public:
  void split(Words& words) const override;
};

// Numeric characters apart from all others, each alone or in runs.
class Digits : public PreTokenizer {
 public:
  explicit Digits(bool individual_digits) : individual_(individual_digits) {}
  void split(Words& words) const override;

 private:
  bool individual_;
};

class Punctuation : public PreTokenizer {
 public:
  explicit Punctuation(Behavior behavior) : behavior_(behavior) {}
  void split(Words& words) const override;

 private:
  Behavior behavior_;
};

// What stands between delimiters.
class CharDelimiterSplit : public PreTokenizer {
 public:
  explicit CharDelimiterSplit(std::string delimiter);
  void split(Words& words) const override;

 private:
  std::string delimiter_;
};

// Splits at a literal string, or at a regular expression that find_pattern knows.
class Split : public PreTokenizer {
 public:
  Split(std::string pattern, Behavior behavior, bool invert, bool regex);
  void split(Words& words) const override;

 private:
  std::string literal_;
  MatchFinder find_ = nullptr;  // null: the pattern is the literal
  Behavior behavior_;
  bool invert_;
};

// GPT-2's words. They stay bytes: byte-level models read those, no alphabet stands in between.
class ByteLevelPreTokenizer : public PreTokenizer {
 public:
  ByteLevelPreTokenizer(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space), use_regex_(use_regex) {}
  void split(Words& words) const override;

 private:
  bool add_prefix_space_;
  bool use_regex_;
};

// Writes a visible character for each space, and splits before those.
class Metaspace : public PreTokenizer {
 public:
  enum class Prepend : std::uint8_t { kAlways, kNever, kFirst };

  Metaspace(std::string replacement, Prepend prepend, bool split);
  void split(Words& words) const override;
  bool needs_origins(bool whole) const override { return prepend_ == Prepend::kFirst && !whole; }

 private:
  bool wants_prefix(const Words& words, Span word) const;
  void rewrite(Words& words) const;

  std::string replacement_;
  Prepend prepend_;
  bool split_;
};

// One after the other. Those behind a ByteLevelPreTokenizer see bytes as the characters that show
// them in its vocabularies, and may split between the bytes of one character.
class PreTokenizerSequence : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(const std::vector<PreTokenizerPtr>& parts);
  void split(Words& words) const override;
  bool needs_origins(bool whole) const override;

 private:
  std::vector<PreTokenizerPtr> parts_;  // none is a sequence itself
  std::vector<bool> shows_bytes_;       // for each, whether it leaves visible bytes to the next
  bool hides_bytes_ = false;            // whether the last leaves visible bytes
};

}  // namespace graft
