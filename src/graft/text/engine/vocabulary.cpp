#include "vocabulary.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <stdexcept>

#include "byte_hash.h"
#include "utf8.h"

namespace graft {

std::string quoted(std::string_view token) {
  constexpr std::size_t kShown = 60;
  std::size_t end = std::min(token.size(), kShown);
  while (end > 0 && end < token.size() && !starts_char(token[end])) --end;
  std::string shown("'");
  shown.append(token.substr(0, end));
  shown.append(end < token.size() ? "...'" : "'");
  return shown;
}

Vocabulary::Vocabulary(const std::vector<VocabularyEntry>& entries) {
  if (entries.empty()) throw std::invalid_argument("the vocabulary is empty");
  allocate(entries);
  for (const VocabularyEntry& entry : entries) insert(entry);
  size_ = entries.size();
}

void Vocabulary::allocate(const std::vector<VocabularyEntry>& entries) {
  std::size_t bytes = 0;
  std::int64_t highest = 0;
  for (const auto& [token, id] : entries) {
    if (token.empty()) throw std::invalid_argument("the token of id " + std::to_string(id) + " is empty");
    if (id < 0)
      throw std::invalid_argument("token " + quoted(token) + " has a negative id, " + std::to_string(id));
    if (id > kMaxId) {
      throw std::invalid_argument("token " + quoted(token) + " has id " + std::to_string(id) +
                                  ", which is higher than " + std::to_string(kMaxId));
    }
    bytes += token.size();
    highest = std::max(highest, id);
  }
  if (bytes > std::numeric_limits<std::uint32_t>::max()) {
    throw std::invalid_argument("the vocabulary has more than 4 GiB of tokens");
  }
  arena_.reserve(bytes);
  places_.resize(static_cast<std::size_t>(highest) + 1);
  slots_.resize(std::bit_ceil(entries.size() * 2));
}

void Vocabulary::insert(const VocabularyEntry& entry) {
  const auto [token, wide_id] = entry;
  const auto id = static_cast<std::int32_t>(wide_id);
  Place& place = places_[static_cast<std::size_t>(id)];
  if (place.length > 0) {
    throw std::invalid_argument("tokens " + quoted(at(id)) + " and " + quoted(token) + " have the same id, " +
                                std::to_string(id));
  }
  const std::uint64_t hash = hash_bytes(token);
  std::size_t slot = hash & (slots_.size() - 1);
  for (; slots_[slot].id != kNone; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].tag == tag_of(hash) && at(slots_[slot].id) == token) {
      throw std::invalid_argument("token " + quoted(token) + " has two ids, " +
                                  std::to_string(slots_[slot].id) + " and " + std::to_string(id));
    }
  }
  slots_[slot] = {tag_of(hash), id};
  place = {static_cast<std::uint32_t>(arena_.size()), static_cast<std::uint32_t>(token.size())};
  arena_.append(token);
}

std::int32_t Vocabulary::find(std::string_view token) const {
  const std::uint64_t hash = hash_bytes(token);
  for (std::size_t slot = hash & (slots_.size() - 1);; slot = (slot + 1) & (slots_.size() - 1)) {
    const Slot& found = slots_[slot];
    if (found.id == kNone || (found.tag == tag_of(hash) && at(found.id) == token)) return found.id;
  }
}

std::string_view Vocabulary::token(std::int64_t id) const {
  if (id < 0 || id >= static_cast<std::int64_t>(places_.size())) return {};
  return at(static_cast<std::int32_t>(id));
}

}  // namespace graft
