// Replacing literals and runs of characters.
#include <stdexcept>

#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

constexpr std::size_t kUnlimited = static_cast<std::size_t>(-1);
constexpr std::string_view kSpecial = "\\^$.|?*+()[]{}";

// Reads a regular expression that is one set of characters, and maybe says how often.
class RegexReader {
 public:
  explicit RegexReader(std::string_view pattern) : pattern_(pattern) {}

  Replace::Repeated read() {
    if (next_is('[')) {
      ++at_;
      if (next_is('^') || next_is(']')) fail();
      while (!next_is(']')) read_member(true);
      ++at_;
    } else {
      read_member(false);
    }
    read_count();
    if (at_ != pattern_.size()) fail();
    return found_;
  }

 private:
  [[noreturn]] void fail() const {
    throw std::invalid_argument("the regular expression \"" + std::string(pattern_) +
                                "\" is none that Replace has: it replaces literals, and one character or "
                                "set of characters, repeated, such as \" {2,}\", \"\\s+\" or \"[\\n\\t]\"");
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

// The next run of the set that is long enough, as far as it may go; [size, size) where there is none.
Span find_repeated(const Replace::Repeated& set, std::string_view bytes, std::size_t at) {
  std::size_t start = at;
  std::size_t count = 0;
  while (at < bytes.size() && count < set.most) {
    std::size_t next = at;
    if (set.contains(next_char(bytes, next))) {
      ++count;
    } else if (count >= set.least) {
      break;
    } else {
      count = 0;
      start = next;
    }
    at = next;
  }
  if (count < set.least) start = at = bytes.size();
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(at)};
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
  const std::size_t start = found == std::string_view::npos ? bytes.size() : found;
  const std::size_t end = found == std::string_view::npos ? bytes.size() : found + literal_.size();
  return {static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
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
