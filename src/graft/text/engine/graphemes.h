// Extended grapheme clusters: what a reader takes for one character (Unicode Standard Annex 29).
#pragma once

#include <cstddef>
#include <string_view>

namespace graft {

// The end of the cluster that starts at `at`, before the end of `text`.
std::size_t grapheme_end(std::string_view text, std::size_t at);

}  // namespace graft
