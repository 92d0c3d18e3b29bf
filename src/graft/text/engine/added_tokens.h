// Tokens that are found in a text as a whole, before any model sees it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace graft {

struct AddedToken {
  std::int32_t id = 0;
  std::string content;
  bool single_word = false;  // only where no letter, digit or the like stands beside it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // takes the white space after it along
};

// A part of a text: an added token (its id), or the text between two (-1).
struct Segment {
  std::int32_t id = -1;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
};

// Finds added tokens: the leftmost first, and of those the longest.
class AddedTokens {
 public:
  explicit AddedTokens(std::vector<AddedToken> tokens = {});
  bool empty() const { return tokens_.empty(); }
  // Cuts a text into segments, appended in order; of text without any, one segment.
  void split(std::string_view text, std::vector<Segment>& segments) const;

 private:
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> next;
    std::int32_t token = -1;  // index of the token that ends here
  };
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;
  // The node that a byte leads to, or kNone.
  std::uint32_t child(std::uint32_t node, char byte) const;
  // The first byte from `at` on that a token may start with, or the end.
  std::size_t find_start(std::string_view text, std::size_t at) const;
  // The longest token that starts at `start`, or null.
  const AddedToken* match(std::string_view text, std::size_t start) const;

  std::vector<AddedToken> tokens_;
  std::vector<Node> nodes_;
  std::array<bool, 256> starts_{};  // which bytes a token starts with
  std::optional<char> only_start_;  // where it is one byte: that is found quickest
};

}  // namespace graft
