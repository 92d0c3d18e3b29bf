#include "bpe_words.h"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "byte_tokens.h"
#include "utf8.h"

namespace graft {
namespace {

constexpr std::uint32_t kNone = std::numeric_limits<std::uint32_t>::max();
constexpr std::size_t kForms = 4;  // plain, with the prefix, with the suffix, with both
constexpr std::size_t kCodePoints = 0x110000;

std::string encoded(char32_t c) {
  std::string bytes;
  append_utf8(bytes, c);
  return bytes;
}

// Which symbol each character becomes, by where in a word it stands.
class SymbolTable {
 public:
  SymbolTable(const BpeTrainingOptions& options, const Alphabet& alphabet, TokenList& tokens);
  // Gives ids to the forms that the words need. Called once, before `cut`.
  void add_forms(std::span<const WordCounter::Word> words, TokenList& tokens);
  void cut(std::string_view word, std::vector<std::uint32_t>& symbols);
  std::size_t chars() const { return chars_.size(); }

 private:
  void decode(std::string_view word);
  // Calls visit(row, form) for each character of the word that is in the alphabet.
  template <typename Visit>
  void each(std::string_view word, const Visit& visit);

  const BpeTrainingOptions& options_;
  std::vector<char32_t> chars_;
  std::vector<std::uint32_t> rows_;  // by code point: where in chars_
  std::vector<std::uint32_t> ids_;   // kForms for each of chars_
  std::vector<char32_t> decoded_;
};

SymbolTable::SymbolTable(const BpeTrainingOptions& options, const Alphabet& alphabet, TokenList& tokens)
    : options_(options), chars_(alphabet.chars), rows_(kCodePoints, kNone) {
  for (const std::string& token : options.special_tokens) tokens.add(token);
  for (const char32_t c : alphabet.chars) tokens.add(encoded(c));
  // A special token of one character brings this character back that a limit has cut.
  for (const std::string& token : options.special_tokens) {
    std::size_t at = 0;
    const char32_t c = next_char(token, at);
    if (at == token.size() && !std::binary_search(alphabet.chars.begin(), alphabet.chars.end(), c)) {
      chars_.push_back(c);
    }
  }
  ids_.assign(chars_.size() * kForms, kNone);
  for (std::size_t row = 0; row < chars_.size(); ++row) {
    rows_[chars_[row]] = static_cast<std::uint32_t>(row);
    ids_[row * kForms] = tokens.add(encoded(chars_[row]));
  }
}

void SymbolTable::decode(std::string_view word) {
  decoded_.clear();
  if (options_.byte_level) {
    for (const char byte : word) decoded_.push_back(kByteAlphabet[static_cast<unsigned char>(byte)]);
  } else {
    for (std::size_t at = 0; at < word.size();) decoded_.push_back(next_char(word, at));
  }
}

template <typename Visit>
void SymbolTable::each(std::string_view word, const Visit& visit) {
  const std::size_t inside = options_.continuing_subword_prefix.empty() ? 0 : 1;
  const std::size_t at_end = options_.end_of_word_suffix.empty() ? 0 : 2;
  decode(word);
  for (std::size_t i = 0; i < decoded_.size(); ++i) {
    const std::uint32_t row = rows_[decoded_[i]];
    if (row != kNone) visit(row, (i > 0 ? inside : 0) + (i + 1 == decoded_.size() ? at_end : 0));
  }
}

void SymbolTable::add_forms(std::span<const WordCounter::Word> words, TokenList& tokens) {
  if (options_.continuing_subword_prefix.empty() && options_.end_of_word_suffix.empty()) return;
  std::vector<bool> needed(ids_.size(), false);
  for (const WordCounter::Word& word : words) {
    each(word.bytes, [&](std::size_t row, std::size_t form) { needed[row * kForms + form] = true; });
  }
  for (std::size_t i = 0; i < ids_.size(); ++i) {
    const std::size_t form = i % kForms;
    if (!needed[i] || form == 0) continue;
    std::string token = encoded(chars_[i / kForms]);
    if (form & 1) token.insert(0, options_.continuing_subword_prefix);
    if (form & 2) token.append(options_.end_of_word_suffix);
    ids_[i] = tokens.add(token);
  }
}

void SymbolTable::cut(std::string_view word, std::vector<std::uint32_t>& symbols) {
  each(word, [&](std::size_t row, std::size_t form) { symbols.push_back(ids_[row * kForms + form]); });
}

void check_room(const BpeTrainingOptions& options, std::size_t needed) {
  if (needed <= options.vocab_size) return;
  const std::size_t special = options.special_tokens.size();
  const char* hint = options.byte_level ? "raise it" : "raise it, or set limit_alphabet";
  throw std::invalid_argument(
      "vocab_size is " + std::to_string(options.vocab_size) + ", but " + std::to_string(special) +
      " special tokens and " + std::to_string(needed - special) + " characters already need " +
      std::to_string(needed) + "; " + hint);
}

}  // namespace

std::uint32_t TokenList::add(const std::string& token) {
  const auto [place, is_new] = ids_.try_emplace(token, static_cast<std::uint32_t>(tokens_.size()));
  if (is_new) tokens_.push_back(token);
  return place->second;
}

BpeWords cut_into_symbols(const WordCounter& counter, const BpeTrainingOptions& options, TokenList& tokens) {
  const std::vector<WordCounter::Word> words = counter.sorted();
  const Alphabet alphabet =
      Alphabet::of_words(words, options.initial_alphabet, options.limit_alphabet, options.byte_level);
  SymbolTable table(options, alphabet, tokens);
  table.add_forms(words, tokens);
  check_room(options, tokens.size());
  BpeWords cut;
  for (const WordCounter::Word& word : words) {
    const std::size_t start = cut.symbols.size();
    table.cut(word.bytes, cut.symbols);
    const std::size_t length = cut.symbols.size() - start;
    if (length < 2) {
      cut.symbols.resize(start);  // there is nothing to merge
    } else {
      cut.words.push_back({start, static_cast<std::uint32_t>(length), static_cast<std::int64_t>(word.count)});
    }
  }
  return cut;
}

}  // namespace graft
