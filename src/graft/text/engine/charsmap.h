// SentencePiece's precompiled map of characters: a double-array trie of keys (Aoe, 1989; in the
// layout of Yata's Darts-clone) and the pool of strings that replace them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

class CharsMap {
 public:
  struct Match {
    std::size_t length;  // of the key, in bytes
    std::string_view replacement;
  };

  // Reads the blob: the trie's size in bytes, its 32-bit units, both little-endian, and the
  // replacements, each ended by a zero byte. Throws where any text would lead out of the blob.
  explicit CharsMap(std::string_view blob);

  // The shortest, or the longest, key that `text` starts with. Keys that end within a character count
  // for the shortest alone.
  std::optional<Match> shortest(std::string_view text) const;
  std::optional<Match> longest(std::string_view text) const;

  // Whether a character of ASCII is no key.
  bool keeps(char c) const { return keeps_[static_cast<unsigned char>(c) & 0x7F]; }
  // Whether neither it is nor any key goes on from it with ASCII.
  bool keeps_before_ascii(char c) const { return keeps_before_ascii_[static_cast<unsigned char>(c) & 0x7F]; }

 private:
  // Of a unit: how far its children are, the byte that leads to it, the value.
  static std::uint32_t offset(std::uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }
  static std::uint32_t label(std::uint32_t unit) { return unit & (1U << 31 | 0xFF); }
  static bool has_leaf(std::uint32_t unit) { return (unit >> 8 & 1) != 0; }
  static std::uint32_t value(std::uint32_t unit) { return unit & ~(1U << 31); }

  template <typename Visit>
  void visit_prefixes(std::string_view text, Visit visit) const;
  void check() const;
  void check_unit(std::uint32_t base, bool leaf) const;
  void look_up_ascii();
  std::string_view replacement(std::uint32_t value) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::array<bool, 128> keeps_{};
  std::array<bool, 128> keeps_before_ascii_{};
};

}  // namespace graft
