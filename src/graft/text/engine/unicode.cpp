#include "unicode.h"

#include <algorithm>

namespace graft::unicode {

namespace {

// Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
constexpr char32_t kSyllables = 0xAC00, kLeading = 0x1100, kVowels = 0x1161, kTrailing = 0x11A7;
constexpr char32_t kLeadingCount = 19, kVowelCount = 21, kTrailingCount = 28;
constexpr char32_t kSyllableCount = kLeadingCount * kVowelCount * kTrailingCount;

std::u32string_view syllable_parts(char32_t c) {
  thread_local char32_t parts[3];
  const char32_t number = c - kSyllables;
  parts[0] = kLeading + number / (kVowelCount * kTrailingCount);
  parts[1] = kVowels + number / kTrailingCount % kVowelCount;
  parts[2] = kTrailing + number % kTrailingCount;
  return {parts, parts[2] == kTrailing ? 2U : 3U};
}

// The syllable of two of its parts, 0 where they are no such parts.
char32_t syllable(char32_t first, char32_t second) {
  if (first - kLeading < kLeadingCount && second - kVowels < kVowelCount) {
    return kSyllables + ((first - kLeading) * kVowelCount + (second - kVowels)) * kTrailingCount;
  }
  const char32_t number = first - kSyllables;
  const char32_t trailing = second - kTrailing;
  const bool open = number < kSyllableCount && number % kTrailingCount == 0;
  return open && trailing - 1 < kTrailingCount - 1 ? first + trailing : 0;
}

const Mapping& mapping(char32_t c) {
  using namespace tables;
  const std::size_t block = kMappingBlocks[c >> kBlockBits];
  return kMappings[kMappingIndexes[block << kBlockBits | (c & kBlockMask)]];
}

}  // namespace

std::u32string_view decomposition(char32_t c, bool compatible) {
  if (c - kSyllables < kSyllableCount) return syllable_parts(c);
  const Mapping& found = mapping(c);
  return compatible ? std::u32string_view(tables::kPool + found.compatible, found.compatible_length)
                    : std::u32string_view(tables::kPool + found.canonical, found.canonical_length);
}

char32_t composition(char32_t first, char32_t second) {
  using namespace tables;
  if (const char32_t found = syllable(first, second)) return found;
  const auto before = [](const Composition& a, const Composition& b) {
    return a.first != b.first ? a.first < b.first : a.second < b.second;
  };
  const Composition wanted{first, second, 0};
  const Composition* const end = kCompositions + kCompositionCount;
  const Composition* const at = std::lower_bound(kCompositions, end, wanted, before);
  return at != end && at->first == first && at->second == second ? at->composite : 0;
}

std::u32string_view lower_case(char32_t c) {
  const Mapping& found = mapping(c);
  return {tables::kPool + found.lower, found.lower_length};
}

}  // namespace graft::unicode
