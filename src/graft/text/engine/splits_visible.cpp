#include "splits_visible.h"

#include <array>

#include "byte_tokens.h"
#include "splits_cut.h"

namespace graft {

namespace {

// The byte that each visible character shows; all of those are below U+0200.
constexpr std::array<char, 0x200> kShownBytes = [] {
  std::array<char, 0x200> shown{};
  for (std::size_t byte = 0; byte < 256; ++byte) shown[kByteAlphabet[byte]] = static_cast<char>(byte);
  return shown;
}();

// Rewrites all words into a new text by `rewrite(text, at, out)`, which appends to `out` what stands
// for the bytes from `at` on that it moves behind.
template <typename Rewrite>
void rewrite_bytes(Words& words, Rewrite rewrite) {
  const std::string_view from = words.text.bytes;
  std::string bytes;
  std::vector<Span> origins;
  for (Span& word : words.words) {
    const std::size_t start = bytes.size();
    for (std::size_t at = word.start; at < word.end;) {
      const std::size_t taken = at;
      rewrite(from, at, bytes);
      if (words.text.aligned) origins.resize(bytes.size(), words.text.origins[taken]);
    }
    word = make_span(start, bytes.size());
  }
  check_size(bytes.size());
  words.text.bytes.swap(bytes);
  words.text.origins.swap(origins);
}

}  // namespace

void show_bytes(Words& words) {
  rewrite_bytes(words, [](std::string_view from, std::size_t& at, std::string& out) {
    out.append(kVisibleBytes[static_cast<unsigned char>(from[at++])]);
  });
}

void hide_bytes(Words& words) {
  rewrite_bytes(words, [](std::string_view from, std::size_t& at, std::string& out) {
    const char32_t c = next_char(from, at);
    out.push_back(c < kShownBytes.size() ? kShownBytes[c] : '\0');
  });
}

}  // namespace graft
