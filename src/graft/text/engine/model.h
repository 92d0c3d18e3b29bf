// What cuts a word into tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "vocabulary.h"

namespace graft {

// A token: its id, and which bytes of the word it stands for.
struct Token {
  std::int32_t id = 0;
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  bool operator==(const Token&) const = default;
};

class Model {
 public:
  virtual ~Model() = default;
  // Appends a word's tokens. Safe to call from many threads at once: what it needs to work in, it
  // keeps per thread (thread_local). The caller caches words; a model need not.
  virtual void tokenize(std::string_view word, std::vector<Token>& tokens) const = 0;
  // Its tokens, as the file spells them.
  virtual const Vocabulary& vocabulary() const = 0;
  // Whether words are any bytes, or else valid UTF-8.
  virtual bool takes_bytes() const { return false; }
};

using ModelPtr = std::shared_ptr<const Model>;

}  // namespace graft
