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
#include "rows.h"
#include "splits.h"
#include "texts.h"
#include "word_cache.h"

namespace graft {

class Tokenizer {
 public:
  struct Parts {
    NormalizerPtr normalizer;                  // may be null
    PreTokenizerPtr pre_tokenizer;             // may be null: a text is one word
    ModelPtr model;                            // may be null where texts are only split
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
  void encode_block(const Strings& texts, const Strings* pairs, const Block& block,
                    const EncodeOptions& options, Worker& worker, Rows& rows) const;
  template <typename OnWords, typename OnAdded>
  void each_part(std::string_view text, bool wants_spans, Worker& worker, OnWords on_words,
                 OnAdded on_added) const;
  void tokenize(std::string_view text, bool aligned, Worker& worker, Tokens& tokens) const;
  std::span<const Token> tokens_of(std::string_view word, Worker& worker) const;
  void tokenize_words(const Words& words, bool aligned, std::int32_t& index, Worker& worker,
                      Tokens& tokens) const;

  Parts parts_;
  AddedTokens raw_added_;
  AddedTokens normalized_added_;
  bool needs_origins_ = false;  // words depend on where they stand in the original
  mutable std::mutex mutex_;    // of the workers that wait
  mutable std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace graft
