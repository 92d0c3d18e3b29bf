// What is done to a text before it is split: each normalizer rewrites it and keeps its origins.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "charsmap.h"
#include "text.h"

namespace graft {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(Text& text) const = 0;
};

using NormalizerPtr = std::shared_ptr<const Normalizer>;

// The normalization forms of Unicode (Standard Annex 15).
class UnicodeForm : public Normalizer {
 public:
  UnicodeForm(bool compatible, bool composed) : compatible_(compatible), composed_(composed) {}
  void normalize(Text& text) const override;

 private:
  bool compatible_;
  bool composed_;
};

class Lowercase : public Normalizer {
 public:
  void normalize(Text& text) const override;
};

// Drops all marks; it decomposes nothing.
class StripAccents : public Normalizer {
 public:
  void normalize(Text& text) const override;
};

class BertNormalizer : public Normalizer {
 public:
  // Where `strip_accents` is not said, it is done where `lowercase` is.
  BertNormalizer(bool clean_text, bool handle_chinese_chars, std::optional<bool> strip_accents,
                 bool lowercase);
  void normalize(Text& text) const override;

 private:
  bool rewrite(Text& text) const;
  void rewrite_in_steps(Text& text) const;

  bool clean_text_;
  bool handle_chinese_chars_;
  bool strip_accents_;
  bool lowercase_;
};

// SentencePiece's map of characters, applied to grapheme clusters as `tokenizer.json` has it.
class Precompiled : public Normalizer {
 public:
  explicit Precompiled(std::string_view precompiled_charsmap) : map_(precompiled_charsmap) {}
  void normalize(Text& text) const override;

 private:
  CharsMap map_;
};

// SentencePiece's map of characters as SentencePiece itself applies it: the longest match wins.
class LongestCharsMap : public Normalizer {
 public:
  explicit LongestCharsMap(std::string_view precompiled_charsmap) : map_(precompiled_charsmap) {}
  void normalize(Text& text) const override;

 private:
  CharsMap map_;
};

// Puts `content` for each match of a literal or of a regular expression that is one set of
// characters, repeated, maybe between anchors: " {2,}", "\s+", "[\n\t]", "^ +", "\A +".
class Replace : public Normalizer {
 public:
  Replace(std::string pattern, bool regex, std::string content);
  void normalize(Text& text) const override;

  enum class Anchor { kNone, kLine, kText };

  // One set of characters, how often it must and may come in a row, and where alone.
  struct Repeated {
    bool white_space = false;
    std::u32string characters;
    std::size_t least = 1;
    std::size_t most = 1;
    Anchor start = Anchor::kNone;
    Anchor end = Anchor::kNone;
    bool contains(char32_t c) const;
  };

 private:
  Span find(std::string_view bytes, std::size_t at) const;
  void put_everywhere(Text& text) const;

  std::string literal_;
  std::optional<Repeated> repeated_;
  std::string content_;
};

// Puts `prefix` before a text that is not empty.
class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  void normalize(Text& text) const override;

 private:
  std::string prefix_;
};

// Drops white space at the ends.
class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void normalize(Text& text) const override;

 private:
  bool left_;
  bool right_;
};

// Puts for each byte the visible character that stands for it in byte-level vocabularies.
class ByteLevelNormalizer : public Normalizer {
 public:
  void normalize(Text& text) const override;
};

class NormalizerSequence : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<NormalizerPtr> normalizers);
  void normalize(Text& text) const override;

 private:
  std::vector<NormalizerPtr> normalizers_;
};

}  // namespace graft
