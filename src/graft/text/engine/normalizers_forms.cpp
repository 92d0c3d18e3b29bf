// NFC, NFD, NFKC and NFKD: only where a text is not in its form already is anything rewritten.
#include <algorithm>

#include "ascii.h"
#include "normalizers.h"
#include "unicode.h"

namespace graft {

namespace {

// A character of a text being normalized, and how many of the original's characters it replaces:
// none where it was inserted behind the one before, more than one where they were composed.
struct Piece {
  char32_t c;
  std::uint32_t replaced;
  std::uint8_t combining_class;
};

using Pieces = std::vector<Piece>;

constexpr std::uint16_t active_flag(bool compatible, bool composed) {
  if (composed) return compatible ? unicode::flag::kActiveNfkc : unicode::flag::kActiveNfc;
  return compatible ? unicode::flag::kActiveNfkd : unicode::flag::kActiveNfd;
}

// Where the next character starts that the form may change, or whose neighbour it may.
std::size_t find_active(std::string_view bytes, std::size_t at, std::uint16_t active) {
  for (;;) {
    at = ascii::run_end(bytes, at);
    if (at == bytes.size()) return at;
    std::size_t next = at;
    if ((unicode::record(next_char(bytes, next)).flags & active) != 0) return at;
    at = next;
  }
}

// Where the next character starts that no form changes, or the end.
std::size_t find_inactive(std::string_view bytes, std::size_t at, std::uint16_t active) {
  while (at < bytes.size()) {
    std::size_t next = at;
    if ((unicode::record(next_char(bytes, next)).flags & active) == 0) return at;
    at = next;
  }
  return at;
}

std::size_t previous_char(std::string_view bytes, std::size_t at) {
  do --at;
  while (!starts_char(bytes[at]));
  return at;
}

void decompose(std::string_view segment, bool compatible, Pieces& pieces) {
  std::size_t at = 0;
  while (at < segment.size()) {
    const char32_t c = next_char(segment, at);
    const std::u32string_view parts = unicode::decomposition(c, compatible);
    if (parts.empty()) pieces.push_back({c, 1, unicode::combining_class(c)});
    for (std::size_t i = 0; i < parts.size(); ++i) {
      pieces.push_back({parts[i], i == 0 ? 1U : 0U, unicode::combining_class(parts[i])});
    }
  }
}

// Brings marks into their canonical order: between two starters by their class, and stable.
void reorder(Pieces& pieces) {
  const auto before = [](const Piece& a, const Piece& b) { return a.combining_class < b.combining_class; };
  const auto is_mark = [](const Piece& piece) { return piece.combining_class != 0; };
  auto at = pieces.begin();
  while (at != pieces.end()) {
    const auto start = std::find_if(at, pieces.end(), is_mark);
    const auto end = std::find_if_not(start, pieces.end(), is_mark);
    if (!std::is_sorted(start, end, before)) std::stable_sort(start, end, before);
    at = end;
  }
}

// Composes each starter with what follows it, unless a mark between the two blocks it.
void compose(Pieces& pieces) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t starter = kNone;
  std::size_t kept = 0;
  for (const Piece piece : pieces) {
    if (starter != kNone) {
      const bool adjacent = kept == starter + 1;
      if (adjacent || pieces[kept - 1].combining_class < piece.combining_class) {
        if (const char32_t composite = unicode::composition(pieces[starter].c, piece.c)) {
          pieces[starter].c = composite;
          pieces[starter].replaced += piece.replaced;
          continue;
        }
      }
    }
    if (piece.combining_class == 0) starter = kept;
    pieces[kept++] = piece;
  }
  pieces.resize(kept);
}

void put(const Pieces& pieces, Rewriter& rewriter) {
  for (const Piece& piece : pieces) {
    if (piece.replaced > 0) rewriter.take();
    rewriter.put(piece.c);
    for (std::uint32_t i = 1; i < piece.replaced; ++i) rewriter.take();
  }
}

}  // namespace

void UnicodeForm::normalize(Text& text) const {
  const std::uint16_t active = active_flag(compatible_, composed_);
  const std::string_view bytes = text.bytes;
  std::size_t at = find_active(bytes, 0, active);
  if (at == bytes.size()) return;
  Rewriter rewriter(text);
  thread_local Pieces pieces;
  while (at < bytes.size()) {
    // What an active character may be composed with stands right before it.
    if (composed_ && at > rewriter.at()) at = previous_char(bytes, at);
    rewriter.copy_to(at);
    std::size_t end = at;
    next_char(bytes, end);
    end = find_inactive(bytes, end, active);
    pieces.clear();
    decompose(bytes.substr(at, end - at), compatible_, pieces);
    reorder(pieces);
    if (composed_) compose(pieces);
    put(pieces, rewriter);
    at = find_active(bytes, end, active);
  }
  rewriter.copy_to(bytes.size());
  rewriter.finish();
}

}  // namespace graft
