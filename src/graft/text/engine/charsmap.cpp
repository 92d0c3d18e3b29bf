#include "charsmap.h"

#include <stdexcept>

#include "utf8.h"

namespace graft {

namespace {

std::uint32_t little_endian(std::string_view bytes) {
  std::uint32_t number = 0;
  for (unsigned i = 0; i < 4; ++i) number |= std::uint32_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  return number;
}

[[noreturn]] void fail(const std::string& what) {
  throw std::invalid_argument("precompiled_charsmap is damaged: " + what);
}

}  // namespace

CharsMap::CharsMap(std::string_view blob) {
  if (blob.size() < 8) fail("it has " + std::to_string(blob.size()) + " bytes");
  const std::size_t trie_size = little_endian(blob);
  blob.remove_prefix(4);
  if (trie_size == 0 || trie_size % 4 != 0 || trie_size > blob.size()) {
    fail("its trie is to have " + std::to_string(trie_size) + " bytes, of " + std::to_string(blob.size()));
  }
  units_.reserve(trie_size / 4);
  for (std::size_t at = 0; at < trie_size; at += 4) units_.push_back(little_endian(blob.substr(at, 4)));
  replacements_ = blob.substr(trie_size);
  const std::size_t invalid = find_invalid_utf8(replacements_);
  if (invalid != std::string_view::npos) {
    fail("byte " + std::to_string(invalid) + " of its replacements is no valid UTF-8");
  }
  check();
  look_up_ascii();
}

void CharsMap::look_up_ascii() {
  const std::uint32_t root = offset(units_[0]);
  keeps_.fill(true);
  keeps_before_ascii_.fill(true);
  for (std::uint32_t byte = 1; byte < 0x80; ++byte) {  // a zero byte ends a text's key
    const std::uint32_t unit = units_[root ^ byte];
    if (label(unit) != byte) continue;
    const std::uint32_t base = root ^ byte ^ offset(unit);
    keeps_[byte] = keeps_before_ascii_[byte] = !has_leaf(unit);
    for (std::uint32_t second = 1; second < 0x80; ++second) {
      if (label(units_[base ^ second]) == second) keeps_before_ascii_[byte] = false;
    }
  }
}

// Follows all ways through the trie, so that a look-up needs no check of its own.
void CharsMap::check() const {
  std::vector<bool> seen(units_.size());
  std::vector<std::uint32_t> pending{offset(units_[0])};
  check_unit(pending[0], false);
  while (!pending.empty()) {
    const std::uint32_t base = pending.back();
    pending.pop_back();
    for (std::uint32_t byte = 1; byte < 256; ++byte) {
      const std::uint32_t child = base ^ byte;
      const std::uint32_t unit = units_[child];
      if (label(unit) != byte || seen[child]) continue;
      seen[child] = true;
      const std::uint32_t next = child ^ offset(unit);
      check_unit(next, has_leaf(unit));
      pending.push_back(next);
    }
  }
}

// All children of `base` share a block of 256 units; a leaf's value stands at the base itself.
void CharsMap::check_unit(std::uint32_t base, bool leaf) const {
  if ((base | 0xFF) >= units_.size()) {
    fail("a unit of its trie points to unit " + std::to_string(base) + ", of " +
         std::to_string(units_.size()));
  }
  if (!leaf) return;
  const std::uint32_t start = value(units_[base]);
  if (start > replacements_.size() || (start < replacements_.size() && !starts_char(replacements_[start]))) {
    fail("a key stands for the replacement at byte " + std::to_string(start) + " of " +
         std::to_string(replacements_.size()));
  }
}

std::string_view CharsMap::replacement(std::uint32_t value) const {
  const std::string_view from = std::string_view(replacements_).substr(value);
  return from.substr(0, from.find('\0'));
}

// Calls visit(length, value) for each key that `text` starts with, until it says no.
template <typename Visit>
void CharsMap::visit_prefixes(std::string_view text, Visit visit) const {
  std::uint32_t at = offset(units_[0]);
  for (std::size_t i = 0; i < text.size() && text[i] != '\0'; ++i) {
    const std::uint32_t byte = static_cast<unsigned char>(text[i]);
    at ^= byte;
    const std::uint32_t unit = units_[at];
    if (label(unit) != byte) return;
    at ^= offset(unit);
    if (has_leaf(unit) && !visit(i + 1, value(units_[at]))) return;
  }
}

std::optional<CharsMap::Match> CharsMap::shortest(std::string_view text) const {
  std::optional<Match> match;
  visit_prefixes(text, [&](std::size_t length, std::uint32_t value) {
    match = Match{length, replacement(value)};
    return false;
  });
  return match;
}

std::optional<CharsMap::Match> CharsMap::longest(std::string_view text) const {
  constexpr std::size_t kNone = 0;
  std::size_t found = kNone;
  std::uint32_t found_value = 0;
  visit_prefixes(text, [&](std::size_t length, std::uint32_t value) {
    if (length < text.size() && !starts_char(text[length])) return true;
    found = length;
    found_value = value;
    return true;
  });
  if (found == kNone) return std::nullopt;
  return Match{found, replacement(found_value)};
}

}  // namespace graft
