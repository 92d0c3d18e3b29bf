// What all trainers start from: special tokens and the characters of the words.
#include <algorithm>
#include <limits>
#include <stdexcept>
#include <unordered_set>

#include "byte_tokens.h"
#include "training.h"
#include "utf8.h"

namespace graft {
namespace {

constexpr std::size_t kCodePoints = 0x110000;

void count_chars(const WordCounter::Word& word, std::vector<std::uint64_t>& counts) {
  const std::size_t invalid = find_invalid_utf8(word.bytes);
  if (invalid != std::string_view::npos) {
    throw std::invalid_argument("a word is not valid UTF-8 at its byte " + std::to_string(invalid));
  }
  for (std::size_t at = 0; at < word.bytes.size();) counts[next_char(word.bytes, at)] += word.count;
}

}  // namespace

Alphabet Alphabet::of_words(std::span<const WordCounter::Word> words, std::span<const char32_t> initial,
                            std::optional<std::size_t> limit, bool byte_level) {
  std::vector<std::uint64_t> counts(kCodePoints, 0);
  for (const WordCounter::Word& word : words) {
    if (byte_level) {
      for (const char byte : word.bytes) {
        counts[kByteAlphabet[static_cast<unsigned char>(byte)]] += word.count;
      }
    } else {
      count_chars(word, counts);
    }
  }
  for (const char32_t c : initial) counts[c] = std::numeric_limits<std::uint64_t>::max();
  Alphabet alphabet;
  for (char32_t c = 0; c < kCodePoints; ++c) {
    if (counts[c] > 0) alphabet.chars.push_back(c);
  }
  if (limit && *limit < alphabet.chars.size()) {
    std::stable_sort(alphabet.chars.begin(), alphabet.chars.end(),
                     [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
    alphabet.chars.resize(*limit);
    std::sort(alphabet.chars.begin(), alphabet.chars.end());
  }
  return alphabet;
}

void check_special_tokens(std::span<const std::string> tokens) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& token : tokens) {
    if (token.empty()) throw std::invalid_argument("a special token is empty");
    if (!seen.insert(token).second) {
      throw std::invalid_argument("the special token '" + token + "' is given twice");
    }
  }
}

void check_words(const WordCounter& counter) {
  if (counter.size() == 0) throw std::invalid_argument("there are no words to train on");
}

}  // namespace graft
