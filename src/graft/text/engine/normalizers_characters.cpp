// Normalizers that look at one character at a time.
#include <stdexcept>

#include "ascii.h"
#include "byte_tokens.h"
#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

// Where the next character beyond ASCII starts that has one of the flags.
std::size_t find_flagged(std::string_view bytes, std::size_t at, std::uint16_t flags) {
  for (;;) {
    at = ascii::run_end(bytes, at);
    if (at == bytes.size()) return at;
    std::size_t next = at;
    if ((unicode::record(next_char(bytes, next)).flags & flags) != 0) return at;
    at = next;
  }
}

std::size_t skip_white_space(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    std::size_t next = at;
    if (!unicode::is_white_space(next_char(bytes, next))) break;
    at = next;
  }
  return at;
}

std::size_t trim_white_space(std::string_view bytes, std::size_t from) {
  std::size_t end = bytes.size();
  while (end > from) {
    std::size_t start = end - 1;
    while (!starts_char(bytes[start])) --start;
    std::size_t at = start;
    if (!unicode::is_white_space(next_char(bytes, at))) break;
    end = start;
  }
  return end;
}

}  // namespace

void Lowercase::normalize(Text& text) const {
  ascii::lower(text.bytes);
  const std::string_view bytes = text.bytes;
  std::size_t at = find_flagged(bytes, 0, unicode::flag::kHasLowerCase);
  if (at == bytes.size()) return;
  Rewriter rewriter(text);
  while (at < bytes.size()) {
    rewriter.copy_to(at);
    for (const char32_t c : unicode::lower_case(rewriter.take())) rewriter.put(c);
    at = find_flagged(bytes, rewriter.at(), unicode::flag::kHasLowerCase);
  }
  rewriter.copy_to(bytes.size());
  rewriter.finish();
}

void StripAccents::normalize(Text& text) const {
  const std::string_view bytes = text.bytes;
  std::size_t at = find_flagged(bytes, 0, unicode::flag::kCombiningMark);
  if (at == bytes.size()) return;
  Rewriter rewriter(text);
  while (at < bytes.size()) {
    rewriter.copy_to(at);
    rewriter.take();
    at = find_flagged(bytes, rewriter.at(), unicode::flag::kCombiningMark);
  }
  rewriter.copy_to(bytes.size());
  rewriter.finish();
}

void Prepend::normalize(Text& text) const {
  if (text.bytes.empty()) return;
  std::size_t second = 0;
  const char32_t first = next_char(text.bytes, second);
  Rewriter rewriter(text);
  // The prefix replaces the first character, which is inserted again; an empty one replaces nothing.
  if (prefix_.empty()) {
    rewriter.put(first);
    rewriter.take();
  } else {
    rewriter.take();
    rewriter.put(prefix_);
    rewriter.put(first);
  }
  rewriter.copy_to(text.bytes.size());
  rewriter.finish();
}

void Strip::normalize(Text& text) const {
  const std::size_t start = left_ ? skip_white_space(text.bytes) : 0;
  const std::size_t end = right_ ? trim_white_space(text.bytes, start) : text.bytes.size();
  text.bytes.erase(end);
  text.bytes.erase(0, start);
  if (!text.aligned) return;
  const auto origins = text.origins.begin();
  text.origins.erase(origins + static_cast<std::ptrdiff_t>(end), text.origins.end());
  text.origins.erase(origins, origins + static_cast<std::ptrdiff_t>(start));
}

void ByteLevelNormalizer::normalize(Text& text) const {
  const std::string_view bytes = text.bytes;
  Rewriter rewriter(text);
  while (!rewriter.done()) {
    const std::size_t start = rewriter.at();
    rewriter.take();
    for (const char byte : bytes.substr(start, rewriter.at() - start)) {
      rewriter.put(std::string_view(kVisibleBytes[static_cast<unsigned char>(byte)]));
    }
  }
  rewriter.finish();
}

NormalizerSequence::NormalizerSequence(std::vector<NormalizerPtr> normalizers)
    : normalizers_(std::move(normalizers)) {
  for (const NormalizerPtr& normalizer : normalizers_) {
    if (!normalizer) throw std::invalid_argument("a sequence of normalizers has None for one of them");
  }
}

void NormalizerSequence::normalize(Text& text) const {
  for (const NormalizerPtr& normalizer : normalizers_) normalizer->normalize(text);
}

}  // namespace graft
