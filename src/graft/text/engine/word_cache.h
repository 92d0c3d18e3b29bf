// What words were cut into: text repeats its words, and looking one up is quicker than cutting it.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include "model.h"

namespace graft {

class WordCache {
 public:
  WordCache() : slots_(kSlots) {}

  // The tokens of a word that was kept, or null data; good until the next `keep`.
  std::span<const Token> find(std::string_view word, std::uint64_t hash) const {
    for (std::size_t i = hash & (kSlots - 1);; i = (i + 1) & (kSlots - 1)) {
      const Slot& slot = slots_[i];
      if (slot.length == 0) return {};
      if (slot.hash == hash && slot.length == word.size() &&
          std::memcmp(bytes_.data() + slot.bytes, word.data(), word.size()) == 0) {
        return {tokens_.data() + slot.tokens, slot.count};
      }
    }
  }

  void keep(std::string_view word, std::uint64_t hash, std::span<const Token> tokens) {
    if (used_ >= kSlots / 2) clear();
    std::size_t i = hash & (kSlots - 1);
    while (slots_[i].length != 0) i = (i + 1) & (kSlots - 1);
    slots_[i] = {hash, static_cast<std::uint32_t>(bytes_.size()), static_cast<std::uint32_t>(tokens_.size()),
                 static_cast<std::uint16_t>(word.size()), static_cast<std::uint16_t>(tokens.size())};
    bytes_.insert(bytes_.end(), word.begin(), word.end());
    tokens_.insert(tokens_.end(), tokens.begin(), tokens.end());
    ++used_;
  }

  // Longer words are too rare to be worth the memory.
  static bool takes(std::string_view word) { return !word.empty() && word.size() <= kLongest; }

  static std::uint64_t hash(std::string_view word) {
    std::uint64_t state = word.size() * 0x9E3779B97F4A7C15u;
    const char* at = word.data();
    std::size_t left = word.size();
    for (; left >= 8; at += 8, left -= 8) state = mix(state, load(at, 8));
    if (left > 0) state = mix(state, load(at, left));
    return state ^ (state >> 32);
  }

 private:
  struct Slot {
    std::uint64_t hash = 0;
    std::uint32_t bytes = 0;
    std::uint32_t tokens = 0;
    std::uint16_t length = 0;
    std::uint16_t count = 0;
  };

  static constexpr std::size_t kSlots = 1 << 16;
  static constexpr std::size_t kLongest = 64;

  static std::uint64_t load(const char* at, std::size_t count) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, count);
    return value;
  }
  static std::uint64_t mix(std::uint64_t state, std::uint64_t value) {
    state = (state ^ value) * 0xD6E8FEB86659FD93u;
    return state ^ (state >> 29);
  }
  void clear() {
    slots_.assign(kSlots, Slot{});
    bytes_.clear();
    tokens_.clear();
    used_ = 0;
  }

  std::vector<Slot> slots_;
  std::vector<char> bytes_;
  std::vector<Token> tokens_;
  std::size_t used_ = 0;
};

}  // namespace graft
