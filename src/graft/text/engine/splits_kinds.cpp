// Splitting by what kind each character is of, in one pass.
#include <array>

#include "splits_cut.h"
#include "unicode.h"

namespace graft {

namespace {

enum class Kind : std::uint8_t {
  kDropped,  // belongs to no word
  kAlone,    // is a word of its own
  kRun,      // a word is as many of these as stand together
  kOtherRun,
};

using KindOf = Kind (*)(char32_t);

// Made when the engine is loaded: what is made at its first use takes a lock, which a process forked
// meanwhile would never get.
template <KindOf kind_of>
const std::array<Kind, 0x80> kAsciiKinds = [] {
  std::array<Kind, 0x80> kinds{};
  for (char32_t c = 0; c < 0x80; ++c) kinds[c] = kind_of(c);
  return kinds;
}();

template <KindOf kind_of>
void cut_by_kind(Words& words) {
  cut_words(words, [](std::string_view word, std::uint32_t shift, std::vector<Span>& pieces) {
    Kind run = Kind::kDropped;
    std::size_t start = 0;
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t here = at;
      const auto byte = static_cast<unsigned char>(word[at]);
      const Kind kind = byte < 0x80 ? kAsciiKinds<kind_of>[(++at, byte)] : kind_of(next_char(word, at));
      if (kind == run && kind != Kind::kAlone) continue;
      if (run != Kind::kDropped) pieces.push_back(make_span(shift + start, shift + here));
      run = kind;
      start = here;
    }
    if (run != Kind::kDropped) pieces.push_back(make_span(shift + start, shift + word.size()));
  });
}

Kind kind_between_spaces(char32_t c) { return unicode::is_white_space(c) ? Kind::kDropped : Kind::kRun; }

Kind kind_for_bert(char32_t c) {
  if (unicode::is_white_space(c)) return Kind::kDropped;
  return unicode::is_bert_punctuation(c) ? Kind::kAlone : Kind::kRun;
}

Kind kind_of_word(char32_t c) {
  if (unicode::is_white_space(c)) return Kind::kDropped;
  return unicode::is_word(c) ? Kind::kRun : Kind::kOtherRun;
}

}  // namespace

void BertPreTokenizer::split(Words& words) const { cut_by_kind<kind_for_bert>(words); }

void Whitespace::split(Words& words) const { cut_by_kind<kind_of_word>(words); }

void WhitespaceSplit::split(Words& words) const { cut_by_kind<kind_between_spaces>(words); }

void Punctuation::split(Words& words) const {
  cut_at_matches(words, behavior_, false, [](std::string_view word, std::vector<Span>& matches) {
    for (std::size_t at = 0; at < word.size();) {
      const std::size_t start = at;
      if (unicode::is_bert_punctuation(next_char(word, at))) matches.push_back(make_span(start, at));
    }
  });
}

}  // namespace graft
