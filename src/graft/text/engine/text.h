// Text under way from what the user wrote to what a model sees, remembering where each byte came from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "utf8.h"

namespace graft {

// A range of bytes.
struct Span {
  std::uint32_t start = 0;
  std::uint32_t end = 0;
  bool operator==(const Span&) const = default;
};

// Throws std::length_error where a text has more bytes than a Span can tell of.
void check_size(std::size_t bytes);

// Valid UTF-8 and, where `aligned`, for each byte the range of the original's bytes it stands for.
// At first that is the range of its own character.
struct Text {
  std::string bytes;
  std::vector<Span> origins;  // as many as bytes; empty where not aligned
  std::uint32_t shift = 0;    // where in the original the part starts that the text came from
  bool aligned = false;

  void assign(std::string_view part, bool keep_origins, std::uint32_t start_in_original = 0);

  // The range of the original that bytes [start, end) stand for; needs `aligned`.
  Span origin(std::size_t start, std::size_t end) const;
};

// Rewrites a text from its start to its end, character by character.
//
// What is put stands for the character that was taken last; where none was, for nothing, at the start of
// the part of the original that the text came from:
//   take(), put(a), put(b)      a and b replace one character; b was inserted
//   take(), put(a), take()      a replaces a character, and the next one is dropped
//   take(), take(), put(a)      a replaces two, and stands for the second
class Rewriter {
 public:
  explicit Rewriter(Text& text);
  bool done() const { return at_ == text_.bytes.size(); }
  std::size_t at() const { return at_; }  // bytes taken
  char32_t take();
  void put(char32_t c);
  void put(std::string_view chars);
  // Takes and puts all up to the byte `end` as it is.
  void copy_to(std::size_t end);
  // Bytes put so far.
  std::size_t size() const { return bytes_.size(); }
  // Drops what was not taken, and gives the text what was put.
  void finish();

 private:
  Text& text_;
  std::string bytes_;
  std::vector<Span> origins_;
  std::size_t at_ = 0;
  Span last_;
};

}  // namespace graft
