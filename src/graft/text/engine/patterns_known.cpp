// Which regular expressions are known, and by which scanner.
#include <array>
#include <stdexcept>
#include <string>

#include "patterns_scanners.h"

namespace graft {

namespace {

using namespace patterns;

struct Known {
  std::string_view regex;
  MatchFinder find;
};

constexpr MatchFinder kGpt2 = find_all<gpt2_end>;
constexpr MatchFinder kOneDigit = find_all<gpt4_end<kLetter, 1, White::kLines>>;
constexpr MatchFinder kTwoDigits = find_all<gpt4_end<kLetter, 2, White::kLines>>;
constexpr MatchFinder kThreeDigits = find_all<gpt4_end<kLetter, 3, White::kLines>>;
constexpr MatchFinder kMarks = find_all<gpt4_end<kLetter | kMark, 1, White::kLines>>;
// To Oniguruma {1,3}+ is no possessive count but a repeated one.
constexpr MatchFinder kPossessive = find_all<gpt4_end<kLetter, kNoLimit, White::kLinesAfterEnd>>;

template <Set kSet, std::size_t kLimit = kNoLimit>
constexpr MatchFinder kRun = find_some<run_end<kSet, kLimit>>;

// Parts that the spellings share.
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define SHORT_CONTRACTIONS "'(?i:[sdmt]|ll|ve|re)"
#define LETTERS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SIGNS "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
#define SIGNS_AND_SLASHES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*"
#define WHITE "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define CASED(contractions)                             \
  "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" contractions \
  "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" contractions

constexpr std::array kKnown = std::to_array<Known>({
    // GPT-2, and as tiktoken writes it
    {"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", kGpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+", kGpt2},
    {"'(?:[sdmt]|ll|ve|re)| ?\\p{L}++| ?\\p{N}++| ?[^\\s\\p{L}\\p{N}]++|\\s++$|\\s+(?!\\S)|\\s", kGpt2},
    // CLIP
    {"'s|'t|'re|'ve|'m|'ll|'d|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+", find_some<clip_end>},
    // GPT-4, Llama 3
    {CONTRACTIONS LETTERS "|\\p{N}{1,3}" SIGNS WHITE, kThreeDigits},
    {SHORT_CONTRACTIONS LETTERS "|\\p{N}{1,3}" SIGNS WHITE, kThreeDigits},
    {SHORT_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
     "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", kThreeDigits},
    {SHORT_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}{1,2}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
     "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+", kTwoDigits},
    {SHORT_CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}++|\\p{N}{1,3}+| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*+"
     "|\\s++$|\\s*[\\r\\n]|\\s+(?!\\S)|\\s", kPossessive},
    // Qwen 2 and 3; Qwen 3.5
    {CONTRACTIONS LETTERS "|\\p{N}" SIGNS WHITE, kOneDigit},
    {SHORT_CONTRACTIONS LETTERS "|\\p{N}" SIGNS WHITE, kOneDigit},
    {CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*"
     WHITE, kMarks},
    // GPT-4o, gpt-oss, Llama 4; Mistral
    {CASED(CONTRACTIONS "?") "|\\p{N}{1,3}" SIGNS_AND_SLASHES WHITE, find_all<gpt4o_end<true, 3>>},
    {CASED("") "|\\p{N}" SIGNS_AND_SLASHES WHITE, find_all<gpt4o_end<false, 1>>},
    // DeepSeek V3
    {"[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
     "| ?[\\p{P}\\p{S}]+[\\r\\n]*" WHITE, find_some<deepseek_end>},
    {"[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+", find_some<chinese_or_japanese_end>},
    // BLOOM; Viking writes the same set without the inner one
    {" ?[^(\\s|[.,!?…。，、।۔،])]+", find_some<bloom_end>},
    {" ?[^(\\s|.,!?…。，、।۔،)]+", find_some<bloom_end>},
    // Falcon
    {"[0-9][0-9][0-9]", find_some<three_digits_end>},
    // Numbers, white space and lines, as sequences split them off
    {"\\p{N}", kRun<kNumber, 1>},
    {"\\p{N}+", kRun<kNumber>},
    {"\\p{N}{1,3}", kRun<kNumber, 3>},
    {"\\d", kRun<kDigit, 1>},
    {"\\d+", kRun<kDigit>},
    {"\\s", kRun<kWhite, 1>},
    {"\\s+", kRun<kWhite>},
    {"[\\r\\n]", kRun<kNewline, 1>},
    {"[\\r\\n]+", kRun<kNewline>},
});

#undef LOWER
#undef UPPER
#undef CONTRACTIONS
#undef SHORT_CONTRACTIONS
#undef LETTERS
#undef SIGNS
#undef SIGNS_AND_SLASHES
#undef WHITE
#undef CASED

}  // namespace

MatchFinder find_pattern(std::string_view regex) {
  for (const Known& known : kKnown) {
    if (known.regex == regex) return known.find;
  }
  throw std::invalid_argument("the regular expression \"" + std::string(regex) +
                              "\" to split by is not one of those that Graft knows");
}

void find_gpt2(std::string_view text, std::vector<Span>& matches) { kGpt2(text, matches); }

void find_literal(std::string_view literal, std::string_view text, std::vector<Span>& matches) {
  if (literal.empty()) return;
  for (std::size_t at = text.find(literal); at != std::string_view::npos; at = text.find(literal, at)) {
    const auto start = static_cast<std::uint32_t>(at);
    at += literal.size();
    matches.push_back({start, static_cast<std::uint32_t>(at)});
  }
}

}  // namespace graft
