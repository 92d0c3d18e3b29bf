// What Unicode says of characters, from tables that scripts/unicode_tables.py generates.
//
// Reference tokenizers mix several versions of Unicode: where one of their rules is older or newer
// than the general category here, it has a function of its own.
#pragma once

#include <cstdint>
#include <string_view>

#include "unicode_tables.h"

namespace graft::unicode {

extern const char* const kVersion;

// As the general category, one of its 30 values ("Lu" is upper-case letters).
enum class Category : std::uint8_t {
  Lu, Ll, Lt, Lm, Lo, Mn, Mc, Me, Nd, Nl, No, Pc, Pd, Ps, Pe, Pi, Pf, Po, Sm, Sc, Sk, So, Zs, Zl, Zp,
  Cc, Cf, Cs, Co, Cn
};

inline Category category(char32_t c) { return static_cast<Category>(record(c).category); }
inline bool is_mark(char32_t c) {  // \p{M}
  const auto k = category(c);
  return k >= Category::Mn && k <= Category::Me;
}
// The property White_Space.
inline bool is_white_space(char32_t c) { return (record(c).flags & flag::kWhiteSpace) != 0; }
// A letter, a number, or a symbol with the property Alphabetic; marks with it are none here.
inline bool is_alphanumeric(char32_t c) { return (record(c).flags & flag::kAlphanumeric) != 0; }
// A number in the newest version, as the splitting of digits knows it.
inline bool is_numeric(char32_t c) { return (record(c).flags & flag::kNumeric) != 0; }
// \w, as regular expressions have it: what is alphabetic, a mark, a digit, a connector or joins characters.
inline bool is_word(char32_t c) {
  constexpr char32_t kZeroWidthNonJoiner = 0x200C;
  constexpr char32_t kZeroWidthJoiner = 0x200D;
  const Category k = category(c);
  return (is_alphanumeric(c) && k != Category::No) || is_mark(c) || k == Category::Pc ||
         c == kZeroWidthNonJoiner || c == kZeroWidthJoiner;
}
inline std::uint8_t combining_class(char32_t c) { return record(c).combining_class; }

// As BERT sees characters.
inline bool is_bert_accent(char32_t c) { return (record(c).flags & flag::kBertAccent) != 0; }
inline bool is_bert_punctuation(char32_t c) { return (record(c).flags & flag::kBertPunctuation) != 0; }

// The full decomposition, canonical or compatible; empty where a character is its own. That of a
// Hangul syllable is valid until this thread asks for the next.
std::u32string_view decomposition(char32_t c, bool compatible);
// The primary composite of two characters, 0 where there is none.
char32_t composition(char32_t first, char32_t second);
// The lower case: one character, for U+0130 two; empty where a character is its own.
std::u32string_view lower_case(char32_t c);

// Grapheme_Cluster_Break, Extended_Pictographic and Indic_Conjunct_Break in one.
enum class Grapheme : std::uint8_t {
  kOther, kControl, kExtend, kZeroWidthJoiner, kRegional, kPrepend, kSpacingMark, kL, kV, kT, kLV, kLVT,
  kPictograph, kConsonant, kLinker, kIndicExtend
};

inline Grapheme grapheme(char32_t c) {
  const auto kind = static_cast<Grapheme>(record(c).grapheme);
  const bool open_syllable = kind == Grapheme::kLVT && (c - 0xAC00) % 28 == 0;
  return open_syllable ? Grapheme::kLV : kind;
}

}  // namespace graft::unicode
