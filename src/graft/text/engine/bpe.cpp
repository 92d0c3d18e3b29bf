#include "bpe.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "byte_tokens.h"
#include "utf8.h"

namespace graft {
namespace {

std::size_t place_in_word(bool first, bool last) { return (first ? 1 : 0) + (last ? 2 : 0); }

void append_tokens(const std::vector<BPESymbol>& symbols, std::vector<Token>& tokens) {
  std::uint32_t at = 0;
  for (const BPESymbol& symbol : symbols) {
    tokens.push_back({symbol.id, at, at + symbol.length});
    at += symbol.length;
  }
}

}  // namespace

// What a thread works in.
struct BPE::Scratch {
  Symbols symbols;
  std::string spelled;
  std::string visible;
  std::vector<std::uint32_t> sources;  // of each byte of `visible`, the byte of the word
};

BPE::BPE(Vocabulary vocabulary, const std::vector<BPEMerge>& merges, BPEOptions options)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      merges_(vocabulary_, merges, options_.continuing_subword_prefix),
      byte_tokens_(byte_fallback_ids(vocabulary_)) {
  check_options();
  if (options_.unk_token) unk_id_ = vocabulary_.find(*options_.unk_token);
  find_single_bytes();
}

void BPE::check_options() const {
  if (options_.unk_token && vocabulary_.find(*options_.unk_token) == Vocabulary::kNone) {
    throw std::invalid_argument("unk_token " + quoted(*options_.unk_token) + " is not in the vocabulary");
  }
  const bool affixes = !options_.continuing_subword_prefix.empty() || !options_.end_of_word_suffix.empty();
  if (options_.byte_fallback && affixes) {
    throw std::invalid_argument(
        "byte_fallback is not supported together with continuing_subword_prefix or end_of_word_suffix");
  }
}

void BPE::find_single_bytes() {
  for (std::size_t byte = 0; byte < 256; ++byte) {
    const bool ascii = byte < 0x80;
    const std::string symbol =
        options_.byte_level ? kVisibleBytes[byte] : std::string(ascii ? 1 : 0, static_cast<char>(byte));
    for (std::size_t place = 0; place < 4; ++place) {
      const std::string spelled = ((place & 1) != 0 ? "" : options_.continuing_subword_prefix) + symbol +
                                  ((place & 2) != 0 ? options_.end_of_word_suffix : "");
      single_bytes_[place][byte] = symbol.empty() ? Vocabulary::kNone : vocabulary_.find(spelled);
    }
  }
}

void BPE::tokenize(std::string_view word, std::vector<Token>& tokens) const {
  thread_local Scratch scratch;
  if (word.empty() || (options_.ignore_merges && tokenize_whole(word, scratch, tokens))) return;
  if (options_.byte_level && !read_bytes(word, scratch.symbols)) {
    tokenize_visible(word, scratch, tokens);
  } else {
    if (!options_.byte_level) read_chars(word, scratch);
    merges_.apply(scratch.symbols);
    append_tokens(scratch.symbols, tokens);
  }
  constexpr std::size_t kKept = 1 << 18;  // memory that only a huge word needs is given back
  if (scratch.symbols.capacity() > kKept) scratch = Scratch();
}

bool BPE::tokenize_whole(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const {
  std::string_view spelled = word;
  if (options_.byte_level) {
    spell_visibly(word, scratch.visible);
    spelled = scratch.visible;
  }
  const std::int32_t id = vocabulary_.find(spelled);
  if (id == Vocabulary::kNone) return false;
  tokens.push_back({id, 0, static_cast<std::uint32_t>(word.size())});
  return true;
}

// For a word with bytes that the vocabulary lacks: what becomes of them, and where tokens are then said to
// stand, follows from how the bytes are spelled.
void BPE::tokenize_visible(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const {
  spell_visibly(word, scratch.visible);
  scratch.sources.clear();
  for (std::uint32_t i = 0; i < word.size(); ++i) {
    const std::size_t length = kVisibleBytes[static_cast<unsigned char>(word[i])].size();
    scratch.sources.insert(scratch.sources.end(), length, i);
  }
  read_chars(scratch.visible, scratch);
  merges_.apply(scratch.symbols);
  const std::size_t before = tokens.size();
  append_tokens(scratch.symbols, tokens);
  for (std::size_t i = before; i < tokens.size(); ++i) {
    tokens[i].start = scratch.sources[tokens[i].start];
    tokens[i].end = scratch.sources[tokens[i].end - 1] + 1;
  }
}

void BPE::spell_visibly(std::string_view word, std::string& visible) const {
  visible.clear();
  for (const char byte : word) visible += kVisibleBytes[static_cast<unsigned char>(byte)];
}

// Whether all bytes of the word have tokens.
bool BPE::read_bytes(std::string_view word, Symbols& symbols) const {
  symbols.resize(word.size());
  const std::size_t size = word.size();
  for (std::size_t i = 0; i < size; ++i) {
    const std::size_t place = place_in_word(i == 0, i + 1 == size);
    symbols[i] = {single_bytes_[place][static_cast<unsigned char>(word[i])], 1};
    if (symbols[i].id == Vocabulary::kNone) return false;
  }
  return true;
}

void BPE::read_chars(std::string_view word, Scratch& scratch) const {
  Symbols& symbols = scratch.symbols;
  symbols.clear();
  std::uint32_t pending = 0;  // the length of an unknown token that the next unknown character may lengthen
  for (std::size_t start = 0; start < word.size();) {
    std::size_t end = start + 1;
    while (end < word.size() && !starts_char(word[end])) ++end;
    const std::string_view symbol = word.substr(start, end - start);
    const std::int32_t id = symbol_id(symbol, start == 0, end == word.size(), scratch.spelled);
    if (id == Vocabulary::kNone) {
      add_unknown(symbol, pending, symbols);
    } else {
      end_unknown(pending, symbols);
      symbols.push_back({id, static_cast<std::uint32_t>(symbol.size())});
    }
    start = end;
  }
  end_unknown(pending, symbols);
}

std::int32_t BPE::symbol_id(std::string_view symbol, bool first, bool last, std::string& spelled) const {
  if (symbol.size() == 1)
    return single_bytes_[place_in_word(first, last)][static_cast<unsigned char>(symbol[0])];
  const bool prefixed = !first && !options_.continuing_subword_prefix.empty();
  const bool suffixed = last && !options_.end_of_word_suffix.empty();
  if (!prefixed && !suffixed) return vocabulary_.find(symbol);
  spelled.clear();
  if (prefixed) spelled += options_.continuing_subword_prefix;
  spelled += symbol;
  if (suffixed) spelled += options_.end_of_word_suffix;
  return vocabulary_.find(spelled);
}

void BPE::add_unknown(std::string_view symbol, std::uint32_t& pending, Symbols& symbols) const {
  const auto byte_token = [&](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  if (options_.byte_fallback && std::all_of(symbol.begin(), symbol.end(), [&](char byte) {
        return byte_token(byte) != Vocabulary::kNone;
      })) {
    // A pending unknown token stays behind these: so the reference has it.
    for (const char byte : symbol) symbols.push_back({byte_token(byte), 1});
    return;
  }
  // Where there is no unknown token, what follows moves up, and is said to stand here.
  if (unk_id_ == Vocabulary::kNone) return;
  if (!options_.fuse_unk) end_unknown(pending, symbols);
  pending += static_cast<std::uint32_t>(symbol.size());
}

void BPE::end_unknown(std::uint32_t& pending, Symbols& symbols) const {
  if (pending == 0) return;
  symbols.push_back({unk_id_, pending});
  pending = 0;
}

}  // namespace graft
