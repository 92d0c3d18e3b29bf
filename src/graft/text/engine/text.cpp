#include "text.h"

namespace graft {

void Text::assign(std::string_view part, bool keep_origins, std::uint32_t shift) {
  bytes.assign(part);
  aligned = keep_origins;
  origins.clear();
  if (!aligned) return;
  origins.reserve(part.size());
  std::size_t at = 0;
  while (at < part.size()) {
    const std::size_t start = at;
    next_char(part, at);
    const Span span{shift + static_cast<std::uint32_t>(start), shift + static_cast<std::uint32_t>(at)};
    origins.insert(origins.end(), at - start, span);
  }
}

Span Text::origin(std::size_t start, std::size_t end) const {
  if (start >= end) {
    const std::uint32_t place = start < origins.size() ? origins[start].start
                                : origins.empty()      ? 0
                                                       : origins.back().end;
    return {place, place};
  }
  return {origins[start].start, origins[end - 1].end};
}

Rewriter::Rewriter(Text& text) : text_(text) {
  bytes_.reserve(text.bytes.size() + 8);
  if (text.aligned) origins_.reserve(text.bytes.size() + 8);
}

char32_t Rewriter::take() {
  if (text_.aligned) last_ = text_.origins[at_];
  return next_char(text_.bytes, at_);
}

void Rewriter::put(char32_t c) {
  append_utf8(bytes_, c);
  if (text_.aligned) origins_.resize(bytes_.size(), last_);
}

void Rewriter::put(std::string_view chars) {
  bytes_.append(chars);
  if (text_.aligned) origins_.resize(bytes_.size(), last_);
}

void Rewriter::copy_to(std::size_t end) {
  if (end == at_) return;
  bytes_.append(text_.bytes, at_, end - at_);
  if (text_.aligned) {
    origins_.insert(origins_.end(), text_.origins.begin() + static_cast<std::ptrdiff_t>(at_),
                    text_.origins.begin() + static_cast<std::ptrdiff_t>(end));
    last_ = text_.origins[end - 1];
  }
  at_ = end;
}

void Rewriter::finish() {
  text_.bytes.swap(bytes_);
  text_.origins.swap(origins_);
}

}  // namespace graft
