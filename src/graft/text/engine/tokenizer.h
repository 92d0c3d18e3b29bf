// The whole way from texts to ids: added tokens, normalizer, words, model, template, truncation.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "added_tokens.h"
#include "model.h"
#include "normalizers.h"
#include "splits.h"
#include "word_cache.h"

namespace graft {

// A place of a row: a special token, or all tokens of a text.
struct TemplateItem {
  enum class Kind : std::uint8_t { kSpecial, kFirst, kSecond };
  Kind kind = Kind::kFirst;
  std::int32_t id = 0;  // of a special token
  std::int32_t type_id = 0;
};
using Template = std::vector<TemplateItem>;

enum class Truncation : std::uint8_t { kLongestFirst, kOnlyFirst, kOnlySecond };

struct EncodeOptions {
  std::int64_t max_length = -1;  // of a row, special tokens included; -1: no limit
  std::int64_t stride = -1;      // tokens that a window repeats of the one before; -1: one row each
  Truncation truncation = Truncation::kLongestFirst;
  bool add_special_tokens = true;
  bool spans = false;  // whether to say where tokens stand
  int threads = 1;
};

// Strings laid end to end, as Arrow has them: string i is data[offsets[i], offsets[i + 1]).
struct Strings {
  const char* data = nullptr;
  const std::int64_t* offsets = nullptr;
  std::size_t size = 0;
  std::string_view operator[](std::size_t i) const {
    return {data + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  }
};

// Rows of tokens laid end to end. What was not asked for is empty.
struct Rows {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;   // where there are second texts
  std::vector<std::int64_t> lengths;    // of rows, in tokens
  std::vector<std::int64_t> sources;    // with windows: which text each row is of
  std::vector<std::int32_t> spans;      // start and end of each token, in characters of its text
  std::vector<std::int32_t> words;      // of each token, -1 for special ones
  std::vector<std::int8_t> sequences;   // 0 or 1, -1 for special ones
  std::int64_t truncated = 0;           // texts that did not fit a row
};

// A text's tokens, before the template.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<Span> spans;
  std::vector<std::int32_t> words;
  std::vector<Span> margins;  // white space at a token's start and end, in characters
  void clear();
  std::size_t size() const { return ids.size(); }
};

class Tokenizer {
 public:
  struct Parts {
    NormalizerPtr normalizer;        // may be null
    PreTokenizerPtr pre_tokenizer;   // may be null: a text is one word
    ModelPtr model;                  // may be null where texts are only split
    std::vector<AddedToken> raw_added;         // found in the text as it is
    std::vector<AddedToken> normalized_added;  // found in the normalized text, themselves normalized
    Template single;
    Template pair;
    bool trim_offsets = false;  // spans leave white space out
    bool add_prefix_space = false;
  };

  explicit Tokenizer(Parts parts);
  ~Tokenizer();

  // Throws std::invalid_argument where a text is not valid UTF-8 or a row has no room for tokens.
  Rows encode(const Strings& texts, const Strings* pairs, const EncodeOptions& options) const;

  // Calls `take(bytes)` for each word of a text that the model would be asked for.
  void each_word(std::string_view text, const std::function<void(std::string_view)>& take) const;

 private:
  struct Worker;

  std::unique_ptr<Worker> take_worker() const;
  void give_worker(std::unique_ptr<Worker> worker) const;
  void encode_rows(const Strings& texts, const Strings* pairs, std::size_t begin, std::size_t end,
                   const EncodeOptions& options, Worker& worker, Rows& rows) const;
  template <typename OnWords, typename OnAdded>
  void each_part(std::string_view text, bool wants_spans, Worker& worker, OnWords on_words, OnAdded on_added) const;
  void tokenize(std::string_view text, bool aligned, Worker& worker, Tokens& tokens) const;
  std::span<const Token> tokens_of(std::string_view word, Worker& worker) const;
  void tokenize_words(const Words& words, bool aligned, std::int32_t& index, Worker& worker, Tokens& tokens) const;

  Parts parts_;
  AddedTokens raw_added_;
  AddedTokens normalized_added_;
  bool needs_origins_ = false;  // words depend on where they stand in the original
  std::size_t single_special_ = 0;
  std::size_t pair_special_ = 0;
  mutable std::mutex mutex_;  // of the workers that wait
  mutable std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace graft
