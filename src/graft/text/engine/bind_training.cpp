// The trainers as Python's functions. They release the GIL, and take it a few times a second: to tell how
// far they are, and to let signals (Ctrl-C) stop them.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <mutex>
#include <shared_mutex>
#include <stdexcept>

#include "bind.h"
#include "training.h"
#include "utf8.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {
namespace {

using Strings = std::vector<std::string>;
using ProgressFunction = std::optional<nb::callable>;

// Holds a counter, alone or shared, as long as it lives.
template <typename Lock>
class Held {
 public:
  explicit Held(const WordCounter& counter) : lock_(counter.in_use(), std::try_to_lock) {
    if (!lock_) throw std::runtime_error("the word counter is in use by another thread");
  }

 private:
  Lock lock_;
};
using Counting = Held<std::unique_lock<std::shared_mutex>>;
using Reading = Held<std::shared_lock<std::shared_mutex>>;

std::string_view bytes_of(nb::handle word) {
  Py_ssize_t size = 0;
  if (PyBytes_Check(word.ptr())) {
    return {PyBytes_AS_STRING(word.ptr()), static_cast<std::size_t>(PyBytes_GET_SIZE(word.ptr()))};
  }
  if (!PyUnicode_Check(word.ptr())) throw nb::type_error("a word is a str or bytes");
  const char* bytes = PyUnicode_AsUTF8AndSize(word.ptr(), &size);
  if (bytes == nullptr) throw nb::python_error();
  return {bytes, static_cast<std::size_t>(size)};
}

void add_word(WordCounter& counter, nb::handle word, std::int64_t count) {
  if (count < 0) throw std::invalid_argument("a word's count is negative: " + std::to_string(count));
  const Counting counting(counter);
  counter.add(bytes_of(word), static_cast<std::uint64_t>(count));
}

void merge_counters(WordCounter& counter, const WordCounter& other) {
  if (&counter == &other) throw std::invalid_argument("a word counter cannot be merged with itself");
  const Counting counting(counter);
  const Reading reading(other);
  const nb::gil_scoped_release release;
  counter.merge(other);
}

nb::list items_of(const WordCounter& counter) {
  const Reading reading(counter);
  nb::list items;
  for (std::size_t i = 0; i < counter.size(); ++i) {
    const WordCounter::Word word = counter[i];
    items.append(nb::make_tuple(nb::bytes(word.bytes.data(), word.bytes.size()), word.count));
  }
  return items;
}

// An option that Python gives as a whole number of any size and sign.
std::size_t size_option(std::int64_t value, const char* name) {
  if (value < 0) throw std::invalid_argument(std::string(name) + " is negative: " + std::to_string(value));
  return static_cast<std::size_t>(value);
}

std::optional<std::size_t> size_option(std::optional<std::int64_t> value, const char* name) {
  if (!value) return std::nullopt;
  return size_option(*value, name);
}

// The most tokens that ids have room for.
std::size_t vocab_size_option(std::int64_t value) {
  constexpr std::int64_t kMost = 0x7FFFFFFF;
  if (value > kMost) throw std::invalid_argument("vocab_size is too large: " + std::to_string(value));
  return size_option(value, "vocab_size");
}

std::vector<char32_t> chars_option(const Strings& chars, const char* name) {
  std::vector<char32_t> decoded;
  for (const std::string& text : chars) {
    std::size_t at = 0;
    if (!text.empty()) decoded.push_back(next_char(text, at));
    if (text.empty() || at != text.size()) {
      throw std::invalid_argument(std::string(name) + " holds '" + text + "', which is not one character");
    }
  }
  return decoded;
}

// Runs a training without the GIL.
template <typename Train>
auto run(const WordCounter& counter, const ProgressFunction& function, const Train& train) {
  const Reading reading(counter);
  const nb::gil_scoped_release release;
  Progress progress([&](std::uint64_t done, std::uint64_t total) {
    const nb::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    if (function) (*function)(done, total);
  });
  return train(progress);
}

// The options that BPE and WordPiece share.
BpeTrainingOptions bpe_options(std::int64_t vocab_size, std::int64_t min_frequency,
                               const Strings& special_tokens, std::optional<std::int64_t> limit_alphabet,
                               const Strings& initial_alphabet,
                               const std::string& continuing_subword_prefix) {
  BpeTrainingOptions options;
  options.vocab_size = vocab_size_option(vocab_size);
  options.min_frequency = size_option(min_frequency, "min_frequency");
  options.special_tokens = special_tokens;
  options.limit_alphabet = size_option(limit_alphabet, "limit_alphabet");
  options.initial_alphabet = chars_option(initial_alphabet, "initial_alphabet");
  options.continuing_subword_prefix = continuing_subword_prefix;
  return options;
}

auto bpe(const WordCounter& counter, std::int64_t vocab_size, std::int64_t min_frequency,
         const Strings& special_tokens, std::optional<std::int64_t> limit_alphabet,
         const Strings& initial_alphabet, const std::optional<std::string>& continuing_subword_prefix,
         const std::optional<std::string>& end_of_word_suffix, std::optional<std::int64_t> max_token_length,
         bool byte_level, const ProgressFunction& progress) {
  BpeTrainingOptions options = bpe_options(vocab_size, min_frequency, special_tokens, limit_alphabet,
                                           initial_alphabet, continuing_subword_prefix.value_or(""));
  options.end_of_word_suffix = end_of_word_suffix.value_or("");
  options.max_token_length = size_option(max_token_length, "max_token_length");
  options.byte_level = byte_level;
  BpeVocabulary vocabulary =
      run(counter, progress, [&](Progress& told) { return train_bpe(counter, options, told); });
  return std::make_pair(std::move(vocabulary.tokens), std::move(vocabulary.merges));
}

Strings wordpiece(const WordCounter& counter, std::int64_t vocab_size, std::int64_t min_frequency,
                  const Strings& special_tokens, std::optional<std::int64_t> limit_alphabet,
                  const Strings& initial_alphabet, const std::string& continuing_subword_prefix,
                  const ProgressFunction& progress) {
  const BpeTrainingOptions options = bpe_options(vocab_size, min_frequency, special_tokens, limit_alphabet,
                                                 initial_alphabet, continuing_subword_prefix);
  return run(counter, progress, [&](Progress& told) { return train_wordpiece(counter, options, told); });
}

std::vector<ScoredPiece> unigram(const WordCounter& counter, std::int64_t vocab_size,
                                 const Strings& special_tokens, const Strings& initial_alphabet,
                                 const std::optional<std::string>& unk_token, std::int64_t max_piece_length,
                                 double shrinking_factor, std::int64_t n_sub_iterations,
                                 std::int64_t seed_size, const ProgressFunction& progress) {
  UnigramTrainingOptions options;
  options.vocab_size = vocab_size_option(vocab_size);
  options.special_tokens = special_tokens;
  options.initial_alphabet = chars_option(initial_alphabet, "initial_alphabet");
  options.unk_token = unk_token;
  options.max_piece_length = size_option(max_piece_length, "max_piece_length");
  options.shrinking_factor = shrinking_factor;
  options.n_sub_iterations = size_option(n_sub_iterations, "n_sub_iterations");
  options.seed_size = size_option(seed_size, "seed_size");
  return run(counter, progress, [&](Progress& told) { return train_unigram(counter, options, told); });
}

}  // namespace

void bind_training(nb::module_& module) {
  nb::class_<WordCounter>(module, "WordCounter", "How often each word occurs.")
      .def(nb::init<>())
      .def("add", &add_word, "word"_a, "count"_a = 1, "Count a word, as often as `count` says.")
      .def("merge", &merge_counters, "other"_a, "Count all that `other` has counted.")
      .def("items", &items_of, "All words, as bytes, with their counts, in the order first seen.")
      .def("__len__", &WordCounter::size);

  module.def("train_bpe", &bpe, "counter"_a, "vocab_size"_a, nb::kw_only(), "min_frequency"_a = 0,
             "special_tokens"_a = Strings(), "limit_alphabet"_a = nb::none(),
             "initial_alphabet"_a = Strings(), "continuing_subword_prefix"_a = nb::none(),
             "end_of_word_suffix"_a = nb::none(), "max_token_length"_a = nb::none(), "byte_level"_a = false,
             "progress"_a = nb::none(), "Learn BPE: the tokens by id, and the merges.");
  module.def("train_wordpiece", &wordpiece, "counter"_a, "vocab_size"_a, nb::kw_only(),
             "min_frequency"_a = 0, "special_tokens"_a = Strings(), "limit_alphabet"_a = nb::none(),
             "initial_alphabet"_a = Strings(), "continuing_subword_prefix"_a = "##",
             "progress"_a = nb::none(), "Learn WordPiece: the tokens by id.");
  module.def("train_unigram", &unigram, "counter"_a, "vocab_size"_a, nb::kw_only(),
             "special_tokens"_a = Strings(), "initial_alphabet"_a = Strings(), "unk_token"_a = nb::none(),
             "max_piece_length"_a = 16, "shrinking_factor"_a = 0.75, "n_sub_iterations"_a = 2,
             "seed_size"_a = 1'000'000, "progress"_a = nb::none(),
             "Learn Unigram: the pieces by id, with their log probabilities.");
}

}  // namespace graft
