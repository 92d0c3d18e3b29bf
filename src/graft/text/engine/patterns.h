// The regular expressions that real tokenizers split by, each as a scanner written by hand.
#pragma once

#include <string_view>
#include <vector>

#include "text.h"

namespace graft {

// Appends all matches in a text as a search from left to right finds them; none is empty.
using MatchFinder = void (*)(std::string_view text, std::vector<Span>& matches);

// The scanner of a regular expression; throws std::invalid_argument where it is not known.
MatchFinder find_pattern(std::string_view regex);

// ByteLevel's own pattern.
void find_gpt2(std::string_view text, std::vector<Span>& matches);

// Where a literal stands; an empty one is nowhere.
void find_literal(std::string_view literal, std::string_view text, std::vector<Span>& matches);

}  // namespace graft
