// Runs of plain ASCII in UTF-8, found eight bytes at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace graft::ascii {

inline constexpr std::uint64_t kLowBits = 0x0101010101010101;
inline constexpr std::uint64_t kHighBits = 0x8080808080808080;

inline std::uint64_t load_eight(const char* bytes) {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

inline bool is_ascii(char byte) { return static_cast<unsigned char>(byte) < 0x80; }

inline bool is_printable(char byte) { return byte >= 0x20 && byte < 0x7F; }

// Whether one of eight bytes is beyond ASCII, a control character or DEL. Borrows may carry from a
// byte that is one of them into the next, so it answers for all eight and for none alone.
inline bool has_unprintable(std::uint64_t word) {
  const std::uint64_t below_space = word - kLowBits * 0x20;
  const std::uint64_t delete_is_zero = (word ^ (kLowBits * 0x7F)) - kLowBits;
  return ((word | below_space | delete_is_zero) & kHighBits) != 0;
}

// The end of the run of ASCII that starts at `at`.
inline std::size_t run_end(std::string_view text, std::size_t at) {
  while (at + 8 <= text.size() && (load_eight(text.data() + at) & kHighBits) == 0) at += 8;
  while (at < text.size() && is_ascii(text[at])) ++at;
  return at;
}

// The end of the run of ASCII other than control characters that starts at `at`.
inline std::size_t printable_end(std::string_view text, std::size_t at) {
  while (at + 8 <= text.size() && !has_unprintable(load_eight(text.data() + at))) at += 8;
  while (at < text.size() && is_printable(text[at])) ++at;
  return at;
}

// Makes the capital letters of ASCII small, in place.
inline void lower(std::string& bytes) {
  for (char& byte : bytes) byte = static_cast<char>(byte | (byte >= 'A' && byte <= 'Z' ? 0x20 : 0));
}

}  // namespace graft::ascii
