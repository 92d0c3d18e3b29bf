// Rows of ids: texts' tokens, cut to a length and put between special tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "text.h"

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

// A text's tokens, before the template.
struct Tokens {
  std::vector<std::int32_t> ids;
  std::vector<Span> spans;
  std::vector<std::int32_t> words;
  std::vector<Span> margins;  // white space at a token's start and end, in characters
  void clear();
  std::size_t size() const { return ids.size(); }
};

// Rows of tokens laid end to end. What was not asked for is empty.
struct Rows {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;  // where there are second texts
  std::vector<std::int64_t> lengths;   // of rows, in tokens
  std::vector<std::int64_t> sources;   // with windows: which text each row is of
  std::vector<std::int32_t> spans;     // start and end of each token, in characters of its text
  std::vector<std::int32_t> words;     // of each token, -1 for special ones
  std::vector<std::int8_t> sequences;  // 0 or 1, -1 for special ones
  std::int64_t truncated = 0;          // texts that did not fit a row
};

// All rows of the parts, one part behind the other. The parts are left empty.
Rows join(std::vector<Rows>& parts);

// Makes rows of texts or, with `pairs`, of pairs of texts, by a template.
class RowWriter {
 public:
  // Throws std::invalid_argument where `max_length` leaves no room between the special tokens.
  RowWriter(const Template& items, const EncodeOptions& options, bool pairs, Rows& rows);

  // Appends the row of a text or a pair (else `second` is empty), or the windows that it is cut into.
  // Throws std::invalid_argument, telling the text's `number`, where it cannot be cut to fit.
  void write(const Tokens& first, const Tokens& second, std::size_t number);

 private:
  // Tokens [begin, end) of a text.
  struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  struct Kept {
    std::size_t first = 0;
    std::size_t second = 0;
  };

  Kept keep(std::size_t first, std::size_t second, std::size_t number) const;
  void write_windows(const Tokens& first, const Tokens& second, Kept kept, std::size_t number);
  std::vector<Range> windows(std::size_t total, std::size_t size, std::size_t number) const;
  void write_row(const Tokens& first, Range of_first, const Tokens& second, Range of_second,
                 std::size_t number);
  void append(const Tokens& tokens, Range range, int sequence, std::int32_t type_id);
  void append_special(const TemplateItem& item);

  const Template& items_;
  const EncodeOptions& options_;
  bool pairs_;
  std::size_t room_;  // for tokens of texts
  Rows& rows_;
};

}  // namespace graft
