// What words were cut into: text repeats its words, and looking one up is quicker than cutting it.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "model.h"

namespace graft {

class WordCache {
 public:
  WordCache() : slots_(kSlots) {}

  // The tokens of a word that was kept, which may be none; good until the next `keep`. `hash` is that of
  // hash_bytes.
  std::optional<std::span<const Token>> find(std::string_view word, std::uint64_t hash) const {
    for (std::size_t i = hash & (kSlots - 1);; i = (i + 1) & (kSlots - 1)) {
      const Slot& slot = slots_[i];
      if (slot.length == 0) return std::nullopt;
      if (slot.hash == hash && slot.length == word.size() &&
          std::memcmp(bytes_.data() + slot.bytes, word.data(), word.size()) == 0) {
        return std::span(tokens_.data() + slot.tokens, slot.count);
      }
    }
  }

  // Keeps a word that is not there yet.
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
