// Pairs of numbers to two numbers, for merges: one flat table, a load per lookup in the usual case.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

namespace graft {

class PairTable {
 public:
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  struct Found {
    std::uint32_t rank = kNone;  // kNone: the pair is not there
    std::int32_t id = -1;
  };

  // For at most `count` pairs.
  explicit PairTable(std::size_t count)
      : slots_(std::bit_ceil(count * 2 + 2)), shift_(64 - std::countr_zero(slots_.size())) {}

  // Sets what is found for a pair; the rank is not kNone.
  void set(std::uint32_t left, std::uint32_t right, Found found) {
    Slot& slot = slots_[place_of(left, right)];
    slot = {left, right, found};
  }

  const Found& find(std::uint32_t left, std::uint32_t right) const {
    return slots_[place_of(left, right)].found;
  }

 private:
  struct Slot {
    std::uint32_t left = 0;
    std::uint32_t right = 0;
    Found found;  // not there: the slot is free
  };

  std::size_t place_of(std::uint32_t left, std::uint32_t right) const {
    const std::uint64_t key = static_cast<std::uint64_t>(left) << 32 | right;
    std::size_t place = (key ^ (key >> 29)) * 0x9E3779B97F4A7C15u >> shift_;
    for (;; place = (place + 1) & (slots_.size() - 1)) {
      const Slot& slot = slots_[place];
      if ((slot.left == left && slot.right == right) || slot.found.rank == kNone) return place;
    }
  }

  std::vector<Slot> slots_;  // open addressing; a power of two, at most half full
  int shift_;
};

}  // namespace graft
