// The tables that scripts/unicode_tables.py writes to unicode_tables.cpp; unicode.h reads them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace graft::unicode {

namespace flag {

enum : std::uint16_t {
  kWhiteSpace = 1 << 0,
  kAlphanumeric = 1 << 1,
  kCombiningMark = 1 << 2,
  kBertControl = 1 << 3,
  kBertAccent = 1 << 4,
  kBertIdeograph = 1 << 5,
  kBertPunctuation = 1 << 6,
  kHasLowerCase = 1 << 7,
  // A form of normalization may change the character, or what stands beside it because of it.
  kActiveNfc = 1 << 8,
  kActiveNfd = 1 << 9,
  kActiveNfkc = 1 << 10,
  kActiveNfkd = 1 << 11,
  kNumeric = 1 << 12,
};

}  // namespace flag

// What many characters have in common.
struct Record {
  std::uint8_t category;
  std::uint8_t combining_class;
  std::uint8_t grapheme;
  std::uint16_t flags;
};

// Where in the pool of characters a character's decompositions and lower case are.
struct Mapping {
  std::uint16_t canonical;
  std::uint16_t compatible;
  std::uint16_t lower;
  std::uint8_t canonical_length;
  std::uint8_t compatible_length;
  std::uint8_t lower_length;
};

struct Composition {
  char32_t first;
  char32_t second;
  char32_t composite;
};

namespace tables {

// Two stages: characters of 128 each share a block, and equal blocks are one.
inline constexpr unsigned kBlockBits = 7;
inline constexpr char32_t kBlockMask = (1U << kBlockBits) - 1;

extern const std::uint16_t kRecordBlocks[];
extern const std::uint16_t kRecordIndexes[];
extern const Record kRecords[];
extern const std::uint16_t kMappingBlocks[];
extern const std::uint16_t kMappingIndexes[];
extern const Mapping kMappings[];
extern const char32_t kPool[];
extern const Composition kCompositions[];  // sorted by first, then second
extern const std::size_t kCompositionCount;

}  // namespace tables

inline const Record& record(char32_t c) {
  using namespace tables;
  const std::size_t block = kRecordBlocks[c >> kBlockBits];
  return kRecords[kRecordIndexes[block << kBlockBits | (c & kBlockMask)]];
}

}  // namespace graft::unicode
