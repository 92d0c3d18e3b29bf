// Which set each character beyond ASCII is in.
#include "patterns_scanners.h"
#include "unicode.h"

namespace graft::patterns {

namespace {

Set set_of(unicode::Category category) {
  using enum unicode::Category;
  switch (category) {
    case Lu: case Lt: return kUpper;
    case Ll: return kLower;
    case Lm: case Lo: return kCaseless;
    case Mn: case Mc: case Me: return kMark;
    case Nd: return kDigit;
    case Nl: case No: return kNumeral;
    case Pc: case Pd: case Ps: case Pe: case Pi: case Pf: case Po:
    case Sm: case Sc: case Sk: case So: return kSign;
    case Zs: case Zl: case Zp: return kBlank;
    default: return kOther;
  }
}

bool between(char32_t c, char32_t first, char32_t last) { return c >= first && c <= last; }

bool ends_sentence_for_bloom(char32_t c) {
  constexpr std::u32string_view kEnds = U"(|.,!?…。，、।۔،)";
  return kEnds.find(c) != std::u32string_view::npos;
}

}  // namespace

Set wide_set(char32_t c) {
  constexpr char32_t kNextLine = 0x85;  // the one control character beyond ASCII that is white space
  if (c == kNextLine) return kBlank;
  return set_of(unicode::category(c));
}

std::size_t chinese_or_japanese_end(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    const char32_t c = next_char(text, next);
    if (!between(c, 0x4E00, 0x9FA5) && !between(c, 0x3040, 0x30FF)) break;
    at = next;
  }
  return at;
}

std::size_t bloom_end(std::string_view text, std::size_t at) {
  const std::size_t start = at + (text[at] == ' ' ? 1 : 0);
  std::size_t end = start;
  while (end < text.size()) {
    std::size_t next = end;
    if ((peek_set(text, end) & kWhite) != 0 || ends_sentence_for_bloom(next_char(text, next))) break;
    end = next;
  }
  return end == start ? at : end;
}

}  // namespace graft::patterns
