// SentencePiece's map of characters, in the two ways it is applied.
#include <algorithm>

#include "ascii.h"
#include "graphemes.h"
#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

std::size_t count_chars(std::string_view bytes) {
  return static_cast<std::size_t>(std::count_if(bytes.begin(), bytes.end(), starts_char));
}

// The end of the run of ASCII that the map keeps and that no cluster joins to what follows.
std::size_t kept_end(const CharsMap& map, std::string_view bytes, std::size_t at) {
  const auto keeps = [&](std::size_t i) {
    return ascii::is_ascii(bytes[i]) && bytes[i] != '\r' && map.keeps(bytes[i]);
  };
  const std::size_t start = at;
  while (at < bytes.size() && keeps(at)) ++at;
  const bool may_be_joined = at < bytes.size() && at > start && !ascii::is_ascii(bytes[at]);
  return may_be_joined ? at - 1 : at;
}

// Replaces clusters, and aligns what it puts as the reference does: character by character, further
// ones inserted, and those left over dropped with the one put before. Two of its ways are not what one
// would expect. What is dropped before anything was put is not: origins then lag behind by as many
// characters. And an inserted character that others are dropped behind replaces the first of these.
class ClusterReplacer {
 public:
  ClusterReplacer(const CharsMap& map, Text& text)
      : map_(map), bytes_(text.bytes), rewriter_(text), aligned_(text.aligned) {}

  void run() {
    while (at_ < bytes_.size()) {
      keep(kept_end(map_, bytes_, at_));
      if (at_ == bytes_.size()) break;
      const std::size_t end = grapheme_end(bytes_, at_);
      if (!replace_short_cluster(end)) replace_chars(end);
    }
    put_inserted();
    rewriter_.finish();
  }

 private:
  static constexpr std::size_t kMostBytes = 5;  // of a cluster that is looked up as a whole

  // Puts what is up to `end` as it is.
  void keep(std::size_t end) {
    if (end == at_) return;
    if (!aligned_) {
      rewriter_.put(bytes_.substr(at_, end - at_));
    } else if (put_inserted(); rewriter_.at() == at_) {
      rewriter_.copy_to(end);
    } else {
      for (std::size_t i = at_; i < end;) put_for_next(next_char(bytes_, i));
    }
    at_ = end;
  }

  void put_for_next(char32_t c) {
    put_inserted();
    rewriter_.take();
    rewriter_.put(c);
  }

  void put_inserted() {
    if (inserted_) rewriter_.put(*inserted_);
    inserted_.reset();
  }

  void drop(std::size_t count) {
    if (rewriter_.size() == 0 && !inserted_) return;
    for (std::size_t i = 0; i < count; ++i) {
      rewriter_.take();
      put_inserted();
    }
  }

  bool replace_short_cluster(std::size_t end) {
    if (end - at_ > kMostBytes) return false;
    const auto match = map_.shortest(bytes_.substr(at_, end - at_));
    if (match) replace(end, match->replacement);
    return match.has_value();
  }

  void replace_chars(std::size_t end) {
    while (at_ < end) {
      std::size_t next = at_;
      next_char(bytes_, next);
      const auto match = map_.shortest(bytes_.substr(at_, next - at_));
      if (match) {
        replace(next, match->replacement);
      } else {
        keep(next);
      }
    }
  }

  void replace(std::size_t end, std::string_view replacement) {
    if (aligned_) {
      put_aligned(count_chars(bytes_.substr(at_, end - at_)), replacement);
    } else {
      rewriter_.put(replacement);
    }
    at_ = end;
  }

  void put_aligned(std::size_t old_count, std::string_view replacement) {
    std::size_t new_count = 0;
    for (std::size_t i = 0; i < replacement.size(); ++new_count) {
      const char32_t c = next_char(replacement, i);
      if (new_count < old_count) {
        put_for_next(c);
      } else {
        put_inserted();
        inserted_ = c;
      }
    }
    if (new_count < old_count) drop(old_count - new_count);
  }

  const CharsMap& map_;
  std::string_view bytes_;
  Rewriter rewriter_;
  bool aligned_;
  std::size_t at_ = 0;
  std::optional<char32_t> inserted_;
};

// The end of the run of ASCII in which no key starts.
std::size_t plain_end(const CharsMap& map, std::string_view bytes, std::size_t at) {
  const std::size_t start = at;
  while (at < bytes.size() && ascii::is_ascii(bytes[at]) && map.keeps_before_ascii(bytes[at])) ++at;
  return at < bytes.size() && at > start ? at - 1 : at;
}

}  // namespace

void Precompiled::normalize(Text& text) const {
  if (kept_end(map_, text.bytes, 0) == text.bytes.size()) return;
  ClusterReplacer(map_, text).run();
}

void LongestCharsMap::normalize(Text& text) const {
  const std::string_view bytes = text.bytes;
  if (plain_end(map_, bytes, 0) == bytes.size()) return;
  Rewriter rewriter(text);
  for (;;) {
    rewriter.copy_to(plain_end(map_, bytes, rewriter.at()));
    if (rewriter.done()) break;
    const std::size_t start = rewriter.at();
    const auto match = map_.longest(bytes.substr(start));
    if (match) {
      while (rewriter.at() < start + match->length) rewriter.take();
      rewriter.put(match->replacement);
    } else {
      rewriter.put(rewriter.take());
    }
  }
  rewriter.finish();
}

}  // namespace graft
