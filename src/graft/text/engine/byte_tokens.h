// How bytes are spelled as tokens: "<0x0A>" by byte fallback, "Ċ" by byte-level models.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "utf8.h"
#include "vocabulary.h"

namespace graft {

// The ids of "<0x00>" to "<0xFF>", Vocabulary::kNone for those that are missing.
inline std::array<std::int32_t, 256> byte_fallback_ids(const Vocabulary& vocabulary) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::array<std::int32_t, 256> ids{};
  for (std::size_t byte = 0; byte < ids.size(); ++byte) {
    const char spelled[] = {'<', '0', 'x', kDigits[byte / 16], kDigits[byte % 16], '>'};
    ids[byte] = vocabulary.find({spelled, sizeof spelled});
  }
  return ids;
}

// The character that stands for each byte in a byte-level vocabulary (GPT-2's alphabet): a byte that is a
// printed character of Latin-1 is that character, and the others follow from U+0100 on.
inline constexpr std::array<char32_t, 256> kByteAlphabet = [] {
  std::array<char32_t, 256> alphabet{};
  char32_t next = 0x100;
  for (char32_t byte = 0; byte < 256; ++byte) {
    const bool printed = (byte > 0x20 && byte < 0x7F) || (byte > 0xA0 && byte != 0xAD);
    alphabet[byte] = printed ? byte : next++;
  }
  return alphabet;
}();

// The same as UTF-8. Made when the engine is loaded: what is made at its first use takes a lock, which a
// process forked meanwhile would never get.
inline const std::array<std::string, 256> kVisibleBytes = [] {
  std::array<std::string, 256> visible;
  for (std::size_t byte = 0; byte < 256; ++byte) append_utf8(visible[byte], kByteAlphabet[byte]);
  return visible;
}();

}  // namespace graft
