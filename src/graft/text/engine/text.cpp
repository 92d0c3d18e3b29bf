#include "text.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "ascii.h"

namespace graft {

void check_size(std::size_t bytes) {
  if (bytes <= std::numeric_limits<std::uint32_t>::max()) return;
  throw std::length_error("has more than 4 GiB once it is normalized: split it");
}

void Text::assign(std::string_view part, bool keep_origins, std::uint32_t start_in_original) {
  check_size(part.size());
  bytes.assign(part);
  shift = start_in_original;
  aligned = keep_origins;
  origins.clear();
  if (!aligned) return;
  origins.resize(part.size());
  const auto span = [start_in_original](std::size_t start, std::size_t end) {
    return Span{start_in_original + static_cast<std::uint32_t>(start),
                start_in_original + static_cast<std::uint32_t>(end)};
  };
  Span* const out = origins.data();
  for (std::size_t at = 0; at < part.size();) {
    const std::size_t ascii_end = ascii::run_end(part, at);
    for (; at < ascii_end; ++at) out[at] = span(at, at + 1);
    if (at == part.size()) break;
    const std::size_t start = at;
    next_char(part, at);
    std::fill(out + start, out + at, span(start, at));
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

Rewriter::Rewriter(Text& text) : text_(text), last_{text.shift, text.shift} {
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
  check_size(bytes_.size() + chars.size());
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
  check_size(bytes_.size());
  text_.bytes.swap(bytes_);
  text_.origins.swap(origins_);
}

}  // namespace graft
