// What the scanners of patterns are made of: sets of characters, and steps over runs of those.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "patterns.h"
#include "utf8.h"

namespace graft::patterns {

// Sets of characters. Each character is in exactly one of the first ten, so that all character
// classes of the patterns are unions of those, and negated ones their complements.
using Set = std::uint16_t;
inline constexpr Set kUpper = 1 << 0;     // \p{Lu}\p{Lt}
inline constexpr Set kLower = 1 << 1;     // \p{Ll}
inline constexpr Set kCaseless = 1 << 2;  // \p{Lm}\p{Lo}
inline constexpr Set kMark = 1 << 3;      // \p{M}
inline constexpr Set kDigit = 1 << 4;     // \d, which is \p{Nd}
inline constexpr Set kNumeral = 1 << 5;   // \p{Nl}\p{No}
inline constexpr Set kNewline = 1 << 6;   // [\r\n]
inline constexpr Set kBlank = 1 << 7;     // \s but [\r\n]
inline constexpr Set kSign = 1 << 8;      // \p{P}\p{S}
inline constexpr Set kOther = 1 << 9;

inline constexpr Set kLetter = kUpper | kLower | kCaseless;
inline constexpr Set kNumber = kDigit | kNumeral;
inline constexpr Set kWhite = kNewline | kBlank;
constexpr Set not_in(Set set) { return static_cast<Set>(~set & 0x3FF); }

inline constexpr std::size_t kNoLimit = ~std::size_t{0};

constexpr Set ascii_set(char c) {
  if (c >= 'A' && c <= 'Z') return kUpper;
  if (c >= 'a' && c <= 'z') return kLower;
  if (c >= '0' && c <= '9') return kDigit;
  if (c == '\r' || c == '\n') return kNewline;
  if (c == ' ' || c == '\t' || c == '\v' || c == '\f') return kBlank;
  return c > ' ' && c < 0x7F ? kSign : kOther;
}

constexpr std::array<Set, 0x80> ascii_sets() {
  std::array<Set, 0x80> sets{};
  for (std::size_t c = 0; c < sets.size(); ++c) sets[c] = ascii_set(static_cast<char>(c));
  return sets;
}

inline constexpr std::array<Set, 0x80> kAsciiSets = ascii_sets();

// Of a character beyond ASCII, as Oniguruma sees it.
Set wide_set(char32_t c);

// Of any character.
inline Set set_of_character(char32_t c) { return c < 0x80 ? kAsciiSets[c] : wide_set(c); }

// The set of the character that starts at `at`, which moves behind it.
inline Set next_set(std::string_view text, std::size_t& at) {
  const auto byte = static_cast<unsigned char>(text[at]);
  if (byte < 0x80) {
    ++at;
    return kAsciiSets[byte];
  }
  return wide_set(next_char(text, at));
}

// The set of the character that starts at `at`; none at the end.
inline Set peek_set(std::string_view text, std::size_t at) {
  return at < text.size() ? next_set(text, at) : Set{0};
}

// Behind the characters of `wanted` that start at `at`, at most `limit`.
inline std::size_t skip(std::string_view text, std::size_t at, Set wanted, std::size_t limit = kNoLimit) {
  for (std::size_t count = 0; at < text.size() && count < limit; ++count) {
    std::size_t next = at;
    if ((next_set(text, next) & wanted) == 0) break;
    at = next;
  }
  return at;
}

inline bool is_ascii_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// How white space is split.
enum class White {
  kPlain,          // \s+(?!\S)|\s+
  kLines,          // \s*[\r\n]+|\s+(?!\S)|\s+
  kLinesAfterEnd,  // \s++$|\s*[\r\n]|\s+(?!\S)|\s
};

// The end of what those match at `at`, where white space stands.
template <White kWhiteRule>
std::size_t white_end(std::string_view text, std::size_t at) {
  std::size_t end = at;
  std::size_t last = at;
  std::size_t line_end = 0;
  while (end < text.size()) {
    std::size_t next = end;
    const Set set = next_set(text, next);
    if ((set & kWhite) == 0) break;
    if (set == kNewline) line_end = next;
    last = end;
    end = next;
  }
  if (kWhiteRule == White::kLinesAfterEnd && end == text.size()) return end;
  if (kWhiteRule != White::kPlain && line_end != 0) return line_end;
  return end == text.size() || last == at ? end : last;
}

// The end of 's, 't, 're, 've, 'm, 'll or 'd at `at`, where an apostrophe stands; `at` where none is.
template <bool kIgnoreCase>
std::size_t contraction_end(std::string_view text, std::size_t at) {
  const auto letter = [&](std::size_t i) -> char {
    if (i >= text.size()) return '\0';
    return kIgnoreCase && is_ascii_letter(text[i]) ? static_cast<char>(text[i] | 0x20) : text[i];
  };
  const char first = letter(at + 1);
  switch (first) {
    case 's': case 't': case 'm': case 'd': return at + 2;
    case 'r': case 'v': return letter(at + 2) == 'e' ? at + 3 : at;
    case 'l': return letter(at + 2) == 'l' ? at + 3 : at;
    default: break;
  }
  constexpr std::string_view kLongS = "\u017F";  // another small form of S
  return kIgnoreCase && text.substr(at + 1).starts_with(kLongS) ? at + 1 + kLongS.size() : at;
}

// A pattern that matches everywhere, by the end of its match at a place.
template <std::size_t (*end_of)(std::string_view, std::size_t)>
void find_all(std::string_view text, std::vector<Span>& matches) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of(text, at);
    matches.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)});
    at = end;
  }
}

// A pattern that need not match: then `end_of` gives the place itself.
template <std::size_t (*end_of)(std::string_view, std::size_t)>
void find_some(std::string_view text, std::vector<Span>& matches) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = end_of(text, at);
    if (end == at) {
      next_char(text, at);
      continue;
    }
    matches.push_back({static_cast<std::uint32_t>(at), static_cast<std::uint32_t>(end)});
    at = end;
  }
}

}  // namespace graft::patterns
