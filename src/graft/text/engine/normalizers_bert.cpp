// BERT's clean-up, spaces around ideographs, accent stripping and lower case in one pass.
#include "ascii.h"
#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

namespace flag = unicode::flag;

bool is_line_space(char byte) { return byte == '\t' || byte == '\n' || byte == '\r'; }

void blank_line_spaces(std::string& bytes) {
  for (char& byte : bytes) byte = is_line_space(byte) ? ' ' : byte;
}

// Whether a mark stays that canonical ordering may move past others.
bool keeps_a_mark(std::u32string_view parts, char32_t c) {
  const auto kept = [](char32_t part) {
    return unicode::combining_class(part) != 0 && !unicode::is_bert_accent(part);
  };
  if (parts.empty()) return kept(c);
  for (const char32_t part : parts) {
    if (kept(part)) return true;
  }
  return false;
}

// The steps that are done, and one character at a time through all of them.
class Pass {
 public:
  Pass(Rewriter& rewriter, bool clean, bool space_ideographs, bool strip, bool lower)
      : rewriter_(rewriter),
        clean_(clean),
        space_ideographs_(space_ideographs),
        strip_(strip),
        lower_(lower) {
    if (clean) active_ |= flag::kBertControl | flag::kWhiteSpace;
    if (space_ideographs) active_ |= flag::kBertIdeograph;
    if (strip) active_ |= flag::kActiveNfd | flag::kBertAccent;
    if (lower) active_ |= flag::kHasLowerCase;
  }

  std::size_t find_active(std::string_view bytes, std::size_t at) const {
    for (;;) {
      at = clean_ ? ascii::printable_end(bytes, at) : ascii::run_end(bytes, at);
      if (at == bytes.size()) return at;
      std::size_t next = at;
      if ((unicode::record(next_char(bytes, next)).flags & active_) != 0) return at;
      at = next;
    }
  }

  // Takes a character and puts what becomes of it; says no where that depends on others.
  bool take() {
    const char32_t c = rewriter_.take();
    const std::uint16_t flags = unicode::record(c).flags;
    if (clean_ && (flags & flag::kBertControl) != 0) return true;
    if (clean_ && (flags & flag::kWhiteSpace) != 0) {
      rewriter_.put(U' ');
      return true;
    }
    const bool spaced = space_ideographs_ && (flags & flag::kBertIdeograph) != 0;
    if (spaced) rewriter_.put(U' ');
    if (!strip_) {
      put_lower(c);
    } else if (!put_stripped(c)) {
      return false;
    }
    if (spaced) rewriter_.put(U' ');
    return true;
  }

 private:
  bool put_stripped(char32_t c) {
    const std::u32string_view parts = unicode::decomposition(c, false);
    if (keeps_a_mark(parts, c)) return false;
    if (parts.empty()) put_unless_accent(c);
    for (const char32_t part : parts) put_unless_accent(part);
    return true;
  }

  void put_unless_accent(char32_t c) {
    if (!unicode::is_bert_accent(c)) put_lower(c);
  }

  void put_lower(char32_t c) {
    // The letters of ASCII too: a decomposition may begin with one.
    const std::u32string_view lower = lower_ ? unicode::lower_case(c) : std::u32string_view();
    if (lower.empty()) rewriter_.put(c);
    for (const char32_t part : lower) rewriter_.put(part);
  }

  Rewriter& rewriter_;
  bool clean_;
  bool space_ideographs_;
  bool strip_;
  bool lower_;
  std::uint16_t active_ = 0;
};

void drop_accents(Text& text) {
  Rewriter rewriter(text);
  while (!rewriter.done()) {
    const char32_t c = rewriter.take();
    if (!unicode::is_bert_accent(c)) rewriter.put(c);
  }
  rewriter.finish();
}

}  // namespace

BertNormalizer::BertNormalizer(bool clean_text, bool handle_chinese_chars, std::optional<bool> strip_accents,
                               bool lowercase)
    : clean_text_(clean_text),
      handle_chinese_chars_(handle_chinese_chars),
      strip_accents_(strip_accents.value_or(lowercase)),
      lowercase_(lowercase) {}

void BertNormalizer::normalize(Text& text) const {
  // What concerns ASCII alone changes no length and can come first.
  if (lowercase_) ascii::lower(text.bytes);
  if (clean_text_) blank_line_spaces(text.bytes);
  if (!rewrite(text)) rewrite_in_steps(text);
}

// False, and the text as it was, where accents cannot be stripped from each character on its own.
bool BertNormalizer::rewrite(Text& text) const {
  const std::string_view bytes = text.bytes;
  Rewriter rewriter(text);
  Pass pass(rewriter, clean_text_, handle_chinese_chars_, strip_accents_, lowercase_);
  std::size_t at = pass.find_active(bytes, 0);
  if (at == bytes.size()) return true;
  while (at < bytes.size()) {
    rewriter.copy_to(at);
    if (!pass.take()) return false;
    at = pass.find_active(bytes, rewriter.at());
  }
  rewriter.copy_to(bytes.size());
  rewriter.finish();
  return true;
}

// For texts with marks of a combining class that are no accents to BERT, as in musical notation.
void BertNormalizer::rewrite_in_steps(Text& text) const {
  BertNormalizer(clean_text_, handle_chinese_chars_, false, false).rewrite(text);
  UnicodeForm(false, false).normalize(text);
  drop_accents(text);
  if (lowercase_) Lowercase().normalize(text);
}

}  // namespace graft
