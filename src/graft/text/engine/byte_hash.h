// A quick hash of byte strings, for tables in memory (not for anything that is kept or sent).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace graft {

inline std::uint64_t mix_hash(std::uint64_t state, std::uint64_t value) {
  state = (state ^ value) * 0x9E3779B97F4A7C15u;
  return state ^ (state >> 32);
}

inline std::uint64_t hash_bytes(std::string_view bytes) {
  const char* at = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t state = mix_hash(0x2545F4914F6CDD1Du, left);
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, 8);
    state = mix_hash(state, value);
  }
  if (left >= 4) {  // two loads that may overlap take the place of one of varying length
    std::uint32_t first = 0;
    std::uint32_t last = 0;
    std::memcpy(&first, at, 4);
    std::memcpy(&last, at + left - 4, 4);
    state = mix_hash(state, static_cast<std::uint64_t>(first) << 32 | last);
  } else if (left > 0) {
    const auto byte = [&](std::size_t i) {
      return static_cast<std::uint64_t>(static_cast<unsigned char>(at[i]));
    };
    state = mix_hash(state, byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1));
  }
  return state;
}

}  // namespace graft
