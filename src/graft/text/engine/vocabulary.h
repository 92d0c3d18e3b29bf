// The tokens of a model and their ids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// A token as a file has it, before anything is checked.
struct VocabularyEntry {
  std::string_view token;
  std::int64_t id = 0;
};

// Tokens and ids, each token with one id and each id with at most one token.
class Vocabulary {
 public:
  static constexpr std::int32_t kNone = -1;
  // Ids may have holes, but each up to the highest one takes memory.
  static constexpr std::int64_t kMaxId = (1 << 24) - 1;

  // Throws std::invalid_argument where there is no token, or one is empty, or tokens or ids repeat, or
  // an id is out of range.
  explicit Vocabulary(const std::vector<VocabularyEntry>& entries);

  // The id of a token, or kNone.
  std::int32_t find(std::string_view token) const;
  // The token of an id, empty where there is none.
  std::string_view token(std::int64_t id) const;
  // How many tokens there are.
  std::size_t size() const { return size_; }
  // One more than the highest id.
  std::size_t id_count() const { return places_.size(); }

 private:
  struct Place {  // of a token in the arena; tokens are never empty
    std::uint32_t start = 0;
    std::uint32_t length = 0;
  };
  struct Slot {
    std::uint32_t tag = 0;  // more of the hash: most slots that do not match show it here
    std::int32_t id = kNone;
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  std::string_view at(std::int32_t id) const {
    const Place& place = places_[static_cast<std::size_t>(id)];
    return {arena_.data() + place.start, place.length};
  }
  void allocate(const std::vector<VocabularyEntry>& entries);
  void insert(const VocabularyEntry& entry);

  std::string arena_;
  std::vector<Place> places_;  // by id
  std::vector<Slot> slots_;    // open addressing; a power of two, at most half full
  std::size_t size_ = 0;
};

// A token for an error message: quoted, and cut where it is long.
std::string quoted(std::string_view token);

}  // namespace graft
