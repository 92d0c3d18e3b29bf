// Byte-pair encoding (Sennrich et al., 2016) over characters or bytes.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "bpe_merges.h"
#include "model.h"

namespace graft {

struct BPEOptions {
  std::optional<std::string> unk_token;   // none: unknown characters are dropped
  std::string continuing_subword_prefix;  // of all characters of a word but the first
  std::string end_of_word_suffix;         // of the last character
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;  // for words that are tokens
  bool byte_level = false;     // words are bytes, which the vocabulary spells as GPT-2 does
};

class BPE : public Model {
 public:
  // Throws std::invalid_argument where a merge, the unknown token or the options make no sense.
  BPE(Vocabulary vocabulary, const std::vector<BPEMerge>& merges, BPEOptions options);

  void tokenize(std::string_view word, std::vector<Token>& tokens) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }
  bool takes_bytes() const override { return options_.byte_level; }

 private:
  using Symbols = std::vector<BPESymbol>;
  struct Scratch;

  void check_options() const;
  void find_single_bytes();

  bool tokenize_whole(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const;
  void tokenize_visible(std::string_view word, Scratch& scratch, std::vector<Token>& tokens) const;
  void spell_visibly(std::string_view word, std::string& visible) const;
  bool read_bytes(std::string_view word, Symbols& symbols) const;
  void read_chars(std::string_view word, Scratch& scratch) const;
  std::int32_t symbol_id(std::string_view symbol, bool first, bool last, std::string& spelled) const;
  void add_unknown(std::string_view symbol, std::uint32_t& pending, Symbols& symbols) const;
  void end_unknown(std::uint32_t& pending, Symbols& symbols) const;

  Vocabulary vocabulary_;
  BPEOptions options_;
  BPEMerges merges_;
  std::int32_t unk_id_ = Vocabulary::kNone;
  std::array<std::int32_t, 256> byte_tokens_;
  // Ids of symbols of one byte, by where they stand in a word: 1 more at its start, 2 more at its end.
  std::array<std::array<std::int32_t, 256>, 4> single_bytes_;
};

}  // namespace graft
