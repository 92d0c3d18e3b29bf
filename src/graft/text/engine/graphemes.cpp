#include "graphemes.h"

#include "unicode.h"
#include "utf8.h"

namespace graft {

namespace {

using unicode::Grapheme;

bool is_extending(Grapheme kind) {
  using enum Grapheme;
  return kind == kExtend || kind == kIndicExtend || kind == kLinker || kind == kZeroWidthJoiner;
}

// Decides from what the cluster has so far whether the next character belongs to it.
class Cluster {
 public:
  Cluster(char32_t c, Grapheme kind) : last_char_(c), last_(kind) { follow(kind); }

  bool joins(char32_t c, Grapheme kind) const {
    using enum Grapheme;
    if (last_ == kControl) return last_char_ == U'\r' && c == U'\n';
    if (kind == kControl) return false;
    if (is_extending(kind) || kind == kSpacingMark || last_ == kPrepend) return true;
    if (joins_hangul(kind)) return true;
    if (kind == kConsonant) return conjunct_ == Conjunct::kLinked;
    if (kind == kPictograph) return pictograph_ == Pictograph::kJoined;
    return kind == kRegional && last_ == kRegional && odd_regionals_;
  }

  void add(char32_t c, Grapheme kind) {
    last_char_ = c;
    last_ = kind;
    follow(kind);
  }

 private:
  enum class Conjunct { kNone, kConsonant, kLinked };
  enum class Pictograph { kNone, kBase, kJoined };

  bool joins_hangul(Grapheme kind) const {
    using enum Grapheme;
    switch (last_) {
      case kL: return kind == kL || kind == kV || kind == kLV || kind == kLVT;
      case kV: case kLV: return kind == kV || kind == kT;
      case kT: case kLVT: return kind == kT;
      default: return false;
    }
  }

  void follow(Grapheme kind) {
    using enum Grapheme;
    odd_regionals_ = kind == kRegional && !odd_regionals_;
    if (kind == kConsonant) {
      conjunct_ = Conjunct::kConsonant;
    } else if (kind == kLinker && conjunct_ != Conjunct::kNone) {
      conjunct_ = Conjunct::kLinked;
    } else if (kind != kIndicExtend && kind != kZeroWidthJoiner) {
      conjunct_ = Conjunct::kNone;
    }
    if (kind == kPictograph) {
      pictograph_ = Pictograph::kBase;
    } else if (kind == kZeroWidthJoiner && pictograph_ == Pictograph::kBase) {
      pictograph_ = Pictograph::kJoined;
    } else if (!is_extending(kind) || kind == kZeroWidthJoiner) {
      pictograph_ = Pictograph::kNone;
    } else if (pictograph_ == Pictograph::kJoined) {
      pictograph_ = Pictograph::kNone;
    }
  }

  char32_t last_char_;
  Grapheme last_;
  Conjunct conjunct_ = Conjunct::kNone;
  Pictograph pictograph_ = Pictograph::kNone;
  bool odd_regionals_ = false;
};

}  // namespace

std::size_t grapheme_end(std::string_view text, std::size_t at) {
  char32_t c = next_char(text, at);
  Cluster cluster(c, unicode::grapheme(c));
  while (at < text.size()) {
    std::size_t next = at;
    c = next_char(text, next);
    const Grapheme kind = unicode::grapheme(c);
    if (!cluster.joins(c, kind)) break;
    cluster.add(c, kind);
    at = next;
  }
  return at;
}

}  // namespace graft
