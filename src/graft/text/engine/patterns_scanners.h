// One scanner for each family of patterns; patterns_known.cpp says which pattern is which.
#pragma once

#include "patterns_scan.h"

namespace graft::patterns {

// GPT-2:
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline std::size_t gpt2_end(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    const std::size_t end = contraction_end<false>(text, at);
    if (end != at) return end;
  }
  const std::size_t start = at + (text[at] == ' ' ? 1 : 0);
  const Set first = peek_set(text, start);
  if ((first & kLetter) != 0) return skip(text, start, kLetter);
  if ((first & kNumber) != 0) return skip(text, start, kNumber);
  if ((first & not_in(kWhite)) != 0) return skip(text, start, not_in(kWhite | kLetter | kNumber));
  return white_end<White::kPlain>(text, at);
}

// CLIP: 's|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
inline std::size_t clip_end(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    const std::size_t end = contraction_end<false>(text, at);
    if (end != at) return end;
  }
  const Set first = peek_set(text, at);
  if ((first & kLetter) != 0) return skip(text, at, kLetter);
  if ((first & kNumber) != 0) return skip(text, at, kNumber, 1);
  return skip(text, at, not_in(kWhite | kLetter | kNumber));
}

// GPT-4 (cl100k), Llama 3, Qwen. `kWord` is \p{L}, or [\p{L}\p{M}]; a number has `kDigits` characters
// at most:
//   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|
//   \s*[\r\n]+|\s+(?!\S)|\s+
template <Set kWord, std::size_t kDigits, White kWhiteRule>
std::size_t gpt4_end(std::string_view text, std::size_t at) {
  if (text[at] == '\'') {
    const std::size_t end = contraction_end<true>(text, at);
    if (end != at) return end;
  }
  std::size_t next = at;
  const Set first = next_set(text, next);
  if ((first & kWord) != 0) return skip(text, next, kWord);
  if ((first & kNumber) != 0) return skip(text, at, kNumber, kDigits);
  if (first != kNewline && (peek_set(text, next) & kWord) != 0) return skip(text, next, kWord);
  constexpr Set kSigns = not_in(kWhite | kWord | kNumber);
  const std::size_t start = text[at] == ' ' ? next : at;
  const std::size_t end = skip(text, start, kSigns);
  if (end != start) return skip(text, end, kNewline);
  return white_end<kWhiteRule>(text, at);
}

// Where a word in GPT-4o's sense ends that starts at `at`.
struct CasedWord {
  std::size_t lower_end;  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
  std::size_t upper_end;  // [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
};

// Both are `at` where they do not match. The second is right only where the first does not match.
inline CasedWord scan_cased_word(std::string_view text, std::size_t at) {
  constexpr Set kEither = kCaseless | kMark;  // ends a run of capitals and starts one of small letters
  std::size_t end = at;
  std::size_t either_end = at;
  while (end < text.size()) {
    std::size_t next = end;
    const Set set = next_set(text, next);
    if (set == kLower) return {skip(text, next, kLower | kEither), end};
    if ((set & (kUpper | kEither)) == 0) break;
    if ((set & kEither) != 0) either_end = next;
    end = next;
  }
  return {either_end, end};
}

// The end of a cased word at `at` with the one character that may come before it; `at` where none is.
inline std::size_t cased_word_end(std::string_view text, std::size_t at) {
  std::size_t next = at;
  const Set first = next_set(text, next);
  if ((first & (kNewline | kNumber)) != 0) return at;
  const std::size_t start = (first & kLetter) != 0 ? at : next;
  const CasedWord word = scan_cased_word(text, start);
  if (word.lower_end != start) return word.lower_end;
  if (first == kMark) return next;  // no prefix then, but a word itself
  return word.upper_end != start ? word.upper_end : at;
}

// GPT-4o (o200k), gpt-oss, Llama 4; without contractions Mistral's Tekken. With WORD for either of the
// two above:
//   [^\r\n\p{L}\p{N}]?WORD(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|
//   \s*[\r\n]+|\s+(?!\S)|\s+
template <bool kContractions, std::size_t kDigits>
std::size_t gpt4o_end(std::string_view text, std::size_t at) {
  const std::size_t word_end = cased_word_end(text, at);
  if (word_end != at) {
    const bool apostrophe = kContractions && word_end < text.size() && text[word_end] == '\'';
    return apostrophe ? contraction_end<true>(text, word_end) : word_end;
  }
  std::size_t end = skip(text, at, kNumber, kDigits);
  if (end != at) return end;
  const std::size_t start = at + (text[at] == ' ' ? 1 : 0);
  end = skip(text, start, not_in(kWhite | kLetter | kNumber));
  if (end == start) return white_end<White::kLines>(text, at);
  while (end < text.size() && (text[end] == '\r' || text[end] == '\n' || text[end] == '/')) ++end;
  return end;
}

// DeepSeek V3, between its splits of numbers and of Chinese and Japanese:
//   [!-/:-~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|
//   \s*[\r\n]+|\s+(?!\S)|\s+
inline std::size_t deepseek_end(std::string_view text, std::size_t at) {
  std::size_t next = at;
  const Set first = next_set(text, next);
  if (first == kSign && next == at + 1 && next < text.size() && is_ascii_letter(text[next])) {
    while (next < text.size() && is_ascii_letter(text[next])) ++next;
    return next;
  }
  constexpr Set kWord = kLetter | kMark;
  if ((first & kWord) != 0) return skip(text, next, kWord);
  const bool prefix = (first & (kNewline | kSign)) == 0;
  if (prefix && (peek_set(text, next) & kWord) != 0) return skip(text, next, kWord);
  const std::size_t start = text[at] == ' ' ? next : at;
  const std::size_t end = skip(text, start, kSign);
  if (end != start) return skip(text, end, kNewline);
  return (first & kWhite) != 0 ? white_end<White::kLines>(text, at) : at;
}

// [\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+
std::size_t chinese_or_japanese_end(std::string_view text, std::size_t at);

// BLOOM:  ?[^(\s|[.,!?…。，、।۔،])]+
std::size_t bloom_end(std::string_view text, std::size_t at);

// [0-9][0-9][0-9]
inline std::size_t three_digits_end(std::string_view text, std::size_t at) {
  std::size_t end = at;
  while (end < text.size() && end < at + 3 && text[end] >= '0' && text[end] <= '9') ++end;
  return end == at + 3 ? end : at;
}

// A run of a set, such as \s+ or \p{N}{1,3}.
template <Set kSet, std::size_t kLimit>
std::size_t run_end(std::string_view text, std::size_t at) {
  return skip(text, at, kSet, kLimit);
}

}  // namespace graft::patterns
