// A double-array trie (Aoe, 1989): which of many keys a text starts with, a step of one load per byte.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "vocabulary.h"

namespace graft {

class Trie {
 public:
  struct Key {
    std::string_view bytes;
    std::int32_t value = 0;  // not negative
  };
  static constexpr std::uint32_t kRoot = 0;
  static constexpr std::uint32_t kNone = 0xFFFFFFFF;

  // Keys are distinct and not empty.
  explicit Trie(std::vector<Key> keys);

  // The node that a byte leads to, or kNone.
  std::uint32_t child(std::uint32_t node, char byte) const {
    const std::uint32_t next = nodes_[node].base ^ static_cast<unsigned char>(byte);
    return nodes_[next].parent == node ? next : kNone;
  }
  // The value of the key that ends at a node, or -1.
  std::int32_t value(std::uint32_t node) const { return nodes_[node].value; }

 private:
  friend class TrieBuilder;
  // The child of a node by a byte stands at `base ^ byte`, in a block of 256 nodes, if that node's parent
  // is the node. The size is a multiple of 256, so such a place is never out of range.
  struct Node {
    std::uint32_t base = 0;
    std::uint32_t parent = kNone;  // kNone: the node is free
    std::int32_t value = -1;
  };
  std::vector<Node> nodes_;
};

// Of all tokens, the values their ids.
Trie trie_of(const Vocabulary& vocabulary);

}  // namespace graft
