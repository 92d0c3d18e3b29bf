// Replacing literals and runs of characters.
#include <stdexcept>

#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

using Anchor = Replace::Anchor;

constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);
constexpr std::string_view kSpecial = "\\^$.|?*+()[]{}";

// Reads a regular expression that is one set of characters, and maybe says how often.
class RegexReader {
 public:
  explicit RegexReader(std::string_view pattern) : pattern_(pattern) {}

  Replace::Repeated read() {
    found_.start = read_anchor('^', "\\A");
    if (next_is('[')) {
      ++at_;
      if (next_is('^') || next_is(']')) fail();
      while (!next_is(']')) read_member(true);
      ++at_;
    } else {
      read_member(false);
    }
    read_count();
    found_.end = read_anchor('$', "\\z");
    // Where a line may end within a run, the reference would go back in it.
    const bool by_line = found_.start == Anchor::kLine || found_.end == Anchor::kLine;
    if (at_ != pattern_.size() || (by_line && found_.contains(U'\n'))) fail();
    return found_;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::invalid_argument("the regular expression \"" + std::string(pattern_) +
                                "\" is none that Replace has: it replaces literals, and one character or "
                                "set of characters, repeated, such as \" {2,}\", \"\\s+\" or \"[\\n\\t]\"");
  }

  Anchor read_anchor(char line, std::string_view text) {
    if (next_is(line)) {
      ++at_;
      return Anchor::kLine;
    }
    if (pattern_.substr(at_, text.size()) != text) return Anchor::kNone;
    at_ += text.size();
    return Anchor::kText;
  }

  bool next_is(char c) const { return at_ < pattern_.size() && pattern_[at_] == c; }

  // One character, an escaped one, or \s. Ranges and nested sets are left to other engines.
  void read_member(bool in_set) {
    if (at_ >= pattern_.size()) fail();
    const char first = pattern_[at_];
    if (first == '\\') {
      ++at_;
      read_escaped();
      return;
    }
    const bool plain = in_set ? std::string_view("[]-&^").find(first) == std::string_view::npos
                              : kSpecial.find(first) == std::string_view::npos;
    if (!plain) fail();
    found_.characters.push_back(next_char(pattern_, at_));
  }

  void read_escaped() {
    if (at_ >= pattern_.size()) fail();
    const char c = pattern_[at_++];
    switch (c) {
      case 's': found_.white_space = true; return;
      case 'n': found_.characters.push_back(U'\n'); return;
      case 'r': found_.characters.push_back(U'\r'); return;
      case 't': found_.characters.push_back(U'\t'); return;
      default:
        if (kSpecial.find(c) == std::string_view::npos && c != '-') fail();
        found_.characters.push_back(static_cast<char32_t>(c));
    }
  }

  void read_count() {
    if (next_is('+')) {
      ++at_;
      found_.most = kUnlimited;
    } else if (next_is('{')) {
      ++at_;
      found_.least = found_.most = read_number();
      if (next_is(',')) {
        ++at_;
        found_.most = next_is('}') ? kUnlimited : read_number();
      }
      if (!next_is('}') || found_.least == 0 || found_.most < found_.least) fail();
      ++at_;
    }
  }

  std::size_t read_number() {
    constexpr std::size_t kMost = 100'000;  // as of the reference's engine
    const std::size_t start = at_;
    std::size_t number = 0;
    while (at_ < pattern_.size() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && number <= kMost) {
      number = number * 10 + static_cast<std::size_t>(pattern_[at_++] - '0');
    }
    if (at_ == start || number > kMost) fail();
    return number;
  }

  std::string_view pattern_;
  std::size_t at_ = 0;
  Replace::Repeated found_;
};

Span make_span(std::size_t start, std::size_t end) {
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
}

std::size_t skip_chars(std::string_view bytes, std::size_t at, std::size_t count) {
  for (; count > 0; --count) next_char(bytes, at);
  return at;
}

bool starts_at(Anchor anchor, std::string_view bytes, std::size_t at) {
  return anchor == Anchor::kNone || at == 0 || (anchor == Anchor::kLine && bytes[at - 1] == '\n');
}

bool ends_at(Anchor anchor, std::string_view bytes, std::size_t at) {
  return anchor == Anchor::kNone || at == bytes.size() || (anchor == Anchor::kLine && bytes[at] == '\n');
}

// The longest run of the set that starts at `at`, and its number of characters.
std::size_t run_end(const Replace::Repeated& set, std::string_view bytes, std::size_t at,
                    std::size_t& count) {
  count = 0;
  const std::size_t most = set.end == Anchor::kNone ? set.most : kUnlimited;
  while (at < bytes.size() && count < most) {
    std::size_t next = at;
    if (!set.contains(next_char(bytes, next))) break;
    ++count;
    at = next;
  }
  return at;
}

// The next match from `at` on, [size, size) where there is none. With an anchor at the end it is the last
// part of a run, with one at the start the first, since no anchor holds within a run.
Span find_repeated(const Replace::Repeated& set, std::string_view bytes, std::size_t at) {
  while (at < bytes.size()) {
    std::size_t count = 0;
    const std::size_t end = run_end(set, bytes, at, count);
    if (count >= set.least && starts_at(set.start, bytes, at) && ends_at(set.end, bytes, end)) {
      const std::size_t surplus = count > set.most ? count - set.most : 0;
      if (surplus == 0 || set.start == Anchor::kNone) return make_span(skip_chars(bytes, at, surplus), end);
    }
    at = end;
    if (count == 0) next_char(bytes, at);
  }
  return make_span(bytes.size(), bytes.size());
}

}  // namespace

bool Replace::Repeated::contains(char32_t c) const {
  return characters.find(c) != std::u32string::npos || (white_space && unicode::is_white_space(c));
}

Replace::Replace(std::string pattern, bool regex, std::string content) : content_(std::move(content)) {
  if (!regex || (!pattern.empty() && pattern.find_first_of(kSpecial) == std::string::npos)) {
    literal_ = std::move(pattern);
  } else {
    repeated_ = RegexReader(pattern).read();
  }
}

Span Replace::find(std::string_view bytes, std::size_t at) const {
  if (repeated_) return find_repeated(*repeated_, bytes, at);
  const std::size_t found = bytes.find(literal_, at);
  if (found == std::string_view::npos) return make_span(bytes.size(), bytes.size());
  return make_span(found, found + literal_.size());
}

void Replace::normalize(Text& text) const {
  const std::string_view bytes = text.bytes;
  if (bytes.empty()) return;
  if (!repeated_ && literal_.empty()) return put_everywhere(text);
  Span match = find(bytes, 0);
  if (match.start == bytes.size()) return;
  Rewriter rewriter(text);
  while (match.start < bytes.size()) {
    rewriter.copy_to(match.start);
    while (rewriter.at() < match.end) rewriter.take();
    rewriter.put(std::string_view(content_));
    match = find(bytes, match.end);
  }
  rewriter.copy_to(bytes.size());
  rewriter.finish();
}

// The empty literal matches before each character and at the end.
void Replace::put_everywhere(Text& text) const {
  Rewriter rewriter(text);
  while (!rewriter.done()) {
    rewriter.put(std::string_view(content_));
    rewriter.put(rewriter.take());
  }
  rewriter.put(std::string_view(content_));
  rewriter.finish();
}

}  // namespace graft
