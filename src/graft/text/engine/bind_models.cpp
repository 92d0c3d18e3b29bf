// Models for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <cmath>
#include <limits>
#include <stdexcept>
#include <utility>

#include "bind.h"
#include "bpe.h"
#include "unigram.h"
#include "utf8.h"
#include "wordpiece.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {
namespace {

using Range = std::pair<std::uint32_t, std::uint32_t>;

[[noreturn]] void fail(const std::string& what, std::size_t index, const std::string& problem) {
  throw std::invalid_argument(what + "[" + std::to_string(index) + "] " + problem);
}

// The bytes of a string, which stay with it.
std::string_view read_string(nb::handle value, const std::string& what, std::size_t index) {
  if (!PyUnicode_Check(value.ptr())) fail(what, index, "is not a string");
  Py_ssize_t size = 0;
  const char* bytes = PyUnicode_AsUTF8AndSize(value.ptr(), &size);
  if (!bytes) {
    PyErr_Clear();
    fail(what, index, "has half of a UTF-16 pair, which is no character");
  }
  return {bytes, static_cast<std::size_t>(size)};
}

std::int64_t read_int(nb::handle value, const std::string& what, std::size_t index) {
  if (!PyLong_Check(value.ptr())) fail(what, index, "is not an integer");
  return clamped_int(value);
}

double read_number(nb::handle value, const std::string& what, std::size_t index) {
  if (!PyFloat_Check(value.ptr()) && !PyLong_Check(value.ptr())) fail(what, index, "is not a number");
  const double number = PyFloat_AsDouble(value.ptr());
  if (number == -1.0 && PyErr_Occurred()) {  // an integer beyond all floats
    PyErr_Clear();
    return std::numeric_limits<double>::infinity();
  }
  return number;
}

// The items of a list or tuple, which stay with it.
nb::object read_items(nb::handle value, const std::string& message) {
  if (!PyList_Check(value.ptr()) && !PyTuple_Check(value.ptr())) throw std::invalid_argument(message);
  return nb::borrow(value);
}

// Calls `take(first, second, index)` for each pair of a list of pairs.
template <typename Take>
void each_pair(nb::handle pairs, const std::string& what, Take take) {
  const nb::object items = read_items(pairs, what + " is not a list");
  const auto size = static_cast<std::size_t>(PySequence_Fast_GET_SIZE(items.ptr()));
  for (std::size_t i = 0; i < size; ++i) {
    const auto item = nb::handle(PySequence_Fast_GET_ITEM(items.ptr(), static_cast<Py_ssize_t>(i)));
    const std::string message = what + "[" + std::to_string(i) + "] is not a pair";
    const nb::object pair = read_items(item, message);
    if (PySequence_Fast_GET_SIZE(pair.ptr()) != 2) throw std::invalid_argument(message);
    take(nb::handle(PySequence_Fast_GET_ITEM(pair.ptr(), 0)),
         nb::handle(PySequence_Fast_GET_ITEM(pair.ptr(), 1)), i);
  }
}

Vocabulary read_vocabulary(nb::handle vocab) {
  std::vector<VocabularyEntry> entries;
  const auto take = [&](nb::handle token, nb::handle id, std::size_t index) {
    entries.push_back({read_string(token, "vocab", index), read_int(id, "vocab", index)});
  };
  if (!PyDict_Check(vocab.ptr())) {
    each_pair(vocab, "vocab", take);
    return Vocabulary(entries);
  }
  PyObject* token = nullptr;
  PyObject* id = nullptr;
  Py_ssize_t at = 0;
  while (PyDict_Next(vocab.ptr(), &at, &token, &id) != 0) take(token, id, entries.size());
  return Vocabulary(entries);
}

std::vector<BPEMerge> read_merges(nb::handle merges, const std::optional<std::vector<std::uint32_t>>& ranks) {
  std::vector<BPEMerge> result;
  each_pair(merges, "merges", [&](nb::handle left, nb::handle right, std::size_t i) {
    const std::uint32_t rank = ranks && i < ranks->size() ? (*ranks)[i] : static_cast<std::uint32_t>(i);
    if (rank == PairTable::kNone) fail("ranks", i, "is too high");
    result.push_back({read_string(left, "merges", i), read_string(right, "merges", i), rank});
  });
  if (ranks && ranks->size() != result.size())
    throw std::invalid_argument("there must be one rank per merge");
  return result;
}

std::shared_ptr<WordPiece> make_wordpiece(nb::handle vocab, const std::string& unk_token,
                                          const std::string& continuing_subword_prefix,
                                          std::int64_t max_input_chars_per_word) {
  if (max_input_chars_per_word < 0) throw std::invalid_argument("max_input_chars_per_word is negative");
  return std::make_shared<WordPiece>(read_vocabulary(vocab), unk_token, continuing_subword_prefix,
                                     static_cast<std::size_t>(max_input_chars_per_word));
}

std::shared_ptr<BPE> make_bpe(nb::handle vocab, nb::handle merges, std::optional<std::string> unk_token,
                              std::optional<std::string> continuing_subword_prefix,
                              std::optional<std::string> end_of_word_suffix, bool fuse_unk,
                              bool byte_fallback, bool ignore_merges, bool byte_level,
                              std::optional<double> dropout,
                              const std::optional<std::vector<std::uint32_t>>& ranks) {
  if (dropout.value_or(0) != 0) throw std::invalid_argument("dropout is not supported: only None or 0 is");
  BPEOptions options;
  options.unk_token = std::move(unk_token);
  options.continuing_subword_prefix = std::move(continuing_subword_prefix).value_or("");
  options.end_of_word_suffix = std::move(end_of_word_suffix).value_or("");
  options.fuse_unk = fuse_unk;
  options.byte_fallback = byte_fallback;
  options.ignore_merges = ignore_merges;
  options.byte_level = byte_level;
  return std::make_shared<BPE>(read_vocabulary(vocab), read_merges(merges, ranks), std::move(options));
}

std::shared_ptr<Unigram> make_unigram(nb::handle vocab, std::optional<std::int64_t> unk_id,
                                      bool byte_fallback, bool single_precision,
                                      std::optional<double> unk_score) {
  if (!unk_id) throw std::invalid_argument("unk_id is missing: without it, unknown characters have no token");
  std::vector<UnigramPiece> pieces;
  each_pair(vocab, "vocab", [&](nb::handle token, nb::handle score, std::size_t i) {
    std::optional<double> number;
    if (!score.is_none()) number = read_number(score, "vocab", i);
    pieces.push_back({read_string(token, "vocab", i), number});
  });
  return std::make_shared<Unigram>(pieces,
                                   UnigramOptions{*unk_id, unk_score, byte_fallback, single_precision});
}

std::string_view read_word(const Model& model, nb::handle word) {
  if (PyUnicode_Check(word.ptr())) return read_string(word, "word", 0);
  if (!PyBytes_Check(word.ptr())) throw nb::type_error("a word is a string or bytes");
  const std::string_view bytes(PyBytes_AS_STRING(word.ptr()),
                               static_cast<std::size_t>(PyBytes_GET_SIZE(word.ptr())));
  if (!model.takes_bytes() && find_invalid_utf8(bytes) != std::string_view::npos) {
    throw std::invalid_argument("the word is not valid UTF-8");
  }
  return bytes;
}

std::vector<std::pair<std::int32_t, Range>> tokenize(const Model& model, nb::handle word) {
  std::vector<Token> tokens;
  model.tokenize(read_word(model, word), tokens);
  std::vector<std::pair<std::int32_t, Range>> result;
  result.reserve(tokens.size());
  for (const Token& token : tokens) result.emplace_back(token.id, Range(token.start, token.end));
  return result;
}

std::optional<std::int32_t> token_to_id(const Model& model, const std::string& token) {
  const std::int32_t id = model.vocabulary().find(token);
  return id == Vocabulary::kNone ? std::nullopt : std::optional(id);
}

std::optional<std::string> id_to_token(const Model& model, std::int64_t id) {
  const std::string_view token = model.vocabulary().token(id);
  return token.empty() ? std::nullopt : std::optional<std::string>(token);
}

}  // namespace

void bind_models(nb::module_& module) {
  nb::class_<Model>(module, "Model", "Cuts words into tokens.")
      .def("tokenize", &tokenize, "word"_a, "The tokens of a word: ids, and ranges of its bytes.")
      .def("token_to_id", &token_to_id, "token"_a)
      .def("id_to_token", &id_to_token, "id"_a)
      .def_prop_ro(
          "vocab_size", [](const Model& model) { return model.vocabulary().size(); },
          "How many tokens it has.")
      .def_prop_ro("takes_bytes", &Model::takes_bytes, "Whether words are any bytes, or else valid UTF-8.");
  nb::class_<WordPiece, Model>(module, "WordPiece")
      .def(nb::new_(&make_wordpiece), "vocab"_a, "unk_token"_a, "continuing_subword_prefix"_a = "##",
           "max_input_chars_per_word"_a = 100);
  nb::class_<BPE, Model>(module, "BPE")
      .def(nb::new_(&make_bpe), "vocab"_a, "merges"_a, "unk_token"_a = nb::none(),
           "continuing_subword_prefix"_a = nb::none(), "end_of_word_suffix"_a = nb::none(),
           "fuse_unk"_a = false, "byte_fallback"_a = false, "ignore_merges"_a = false, "byte_level"_a = false,
           "dropout"_a = nb::none(), "ranks"_a = nb::none());
  nb::class_<Unigram, Model>(module, "Unigram")
      .def(nb::new_(&make_unigram), "vocab"_a, "unk_id"_a = nb::none(), "byte_fallback"_a = false,
           "single_precision"_a = false, "unk_score"_a = nb::none());
}

}  // namespace graft
