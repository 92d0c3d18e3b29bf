#include "trie.h"

#include <algorithm>
#include <utility>

namespace graft {

// Lays a trie out level by level, so that the nodes near the root, which are used most, stand together.
class TrieBuilder {
 public:
  TrieBuilder(std::vector<Trie::Key>& keys, std::vector<Trie::Node>& nodes) : keys_(keys), nodes_(nodes) {}

  void build() {
    std::sort(keys_.begin(), keys_.end(), [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
    add_block();
    unlink(Trie::kRoot);
    nodes_[Trie::kRoot].parent = kRootParent;
    std::vector<Range> level;
    if (!keys_.empty()) level.push_back({Trie::kRoot, 0, keys_.size()});
    std::vector<Range> next;
    for (std::size_t depth = 0; !level.empty(); ++depth) {
      next.clear();
      for (const Range& range : level) expand(range, depth, next);
      level.swap(next);
    }
  }

 private:
  struct Range {  // keys [begin, end) share the bytes that lead to a node
    std::uint32_t node = 0;
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  struct Link {  // free nodes form a list, in order of their places
    std::uint32_t previous = Trie::kNone;
    std::uint32_t next = Trie::kNone;
  };

  static constexpr std::uint32_t kRootParent = Trie::kNone - 1;
  static constexpr std::uint32_t kBlock = 256;
  static constexpr int kTries = 256;
  static constexpr std::uint32_t kOpenBlocks = 16;  // what is still free in older ones is given up

  void expand(Range range, std::size_t depth, std::vector<Range>& next) {
    if (keys_[range.begin].bytes.size() == depth) nodes_[range.node].value = keys_[range.begin++].value;
    if (range.begin == range.end) return;
    labels_.clear();
    const std::size_t first = next.size();
    for (std::size_t i = range.begin; i < range.end; ++i) {
      const auto label = static_cast<unsigned char>(keys_[i].bytes[depth]);
      if (labels_.empty() || labels_.back() != label) {
        labels_.push_back(label);
        next.push_back({0, i, i});
      }
      next.back().end = i + 1;
    }
    const std::uint32_t base = find_base();
    nodes_[range.node].base = base;
    for (std::size_t k = 0; k < labels_.size(); ++k) {
      const std::uint32_t child = base ^ labels_[k];
      unlink(child);
      nodes_[child].parent = range.node;
      next[first + k].node = child;
    }
  }

  // A base at which the places of all labels are free.
  std::uint32_t find_base() {
    int tries = 0;
    for (std::uint32_t place = head_; place != Trie::kNone && tries < kTries;
         place = links_[place].next, ++tries) {
      const std::uint32_t base = place ^ labels_[0];
      if (std::all_of(labels_.begin() + 1, labels_.end(),
                      [&](unsigned char label) { return nodes_[base ^ label].parent == Trie::kNone; })) {
        return base;
      }
    }
    return add_block();
  }

  // Where the new block starts.
  std::uint32_t add_block() {
    const auto start = static_cast<std::uint32_t>(nodes_.size());
    nodes_.resize(start + kBlock);
    links_.resize(start + kBlock);
    for (std::uint32_t place = start; place < start + kBlock; ++place) {
      links_[place] = {tail_, Trie::kNone};
      (tail_ == Trie::kNone ? head_ : links_[tail_].next) = place;
      tail_ = place;
    }
    while (head_ + kOpenBlocks * kBlock <= start) unlink(head_);
    return start;
  }

  void unlink(std::uint32_t place) {
    const Link link = links_[place];
    (link.previous == Trie::kNone ? head_ : links_[link.previous].next) = link.next;
    (link.next == Trie::kNone ? tail_ : links_[link.next].previous) = link.previous;
  }

  std::vector<Trie::Key>& keys_;
  std::vector<Trie::Node>& nodes_;
  std::vector<Link> links_;
  std::vector<unsigned char> labels_;
  std::uint32_t head_ = Trie::kNone;
  std::uint32_t tail_ = Trie::kNone;
};

Trie::Trie(std::vector<Key> keys) { TrieBuilder(keys, nodes_).build(); }

Trie trie_of(const Vocabulary& vocabulary) {
  std::vector<Trie::Key> keys;
  keys.reserve(vocabulary.size());
  for (std::size_t id = 0; id < vocabulary.id_count(); ++id) {
    const std::string_view token = vocabulary.token(static_cast<std::int64_t>(id));
    if (!token.empty()) keys.push_back({token, static_cast<std::int32_t>(id)});
  }
  return Trie(std::move(keys));
}

}  // namespace graft
