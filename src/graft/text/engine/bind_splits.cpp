// Pre-tokenizers for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <stdexcept>

#include "bind.h"
#include "splits.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {

namespace {

Words split_text(const PreTokenizer& pre_tokenizer, const std::string& text, bool aligned) {
  Words words;
  words.text.assign(text, aligned);
  words.reset(0);
  pre_tokenizer.split(words);
  return words;
}

// Parts of characters become lone surrogates.
nb::object word_at(const Words& words, Span word) {
  const char* start = words.text.bytes.data() + word.start;
  return nb::steal(PyUnicode_DecodeUTF8(start, word.end - word.start, "surrogateescape"));
}

// The words with the ranges of the text's characters that they stand for.
nb::list split(const PreTokenizer& pre_tokenizer, const std::string& text) {
  std::vector<std::size_t> characters(text.size() + 1);  // how many start before each byte
  for (std::size_t i = 0; i < text.size(); ++i) {
    characters[i + 1] = characters[i] + (starts_char(text[i]) ? 1 : 0);
  }
  const Words words = split_text(pre_tokenizer, text, true);
  nb::list result;
  for (const Span word : words.words) {
    const Span origin = words.text.origin(word.start, word.end);
    const auto range = nb::make_tuple(characters[origin.start], characters[origin.end]);
    result.append(nb::make_tuple(word_at(words, word), range));
  }
  return result;
}

nb::list words_of(const PreTokenizer& pre_tokenizer, const std::string& text) {
  const Words words = split_text(pre_tokenizer, text, pre_tokenizer.needs_origins(true));
  nb::list result;
  for (const Span word : words.words) result.append(word_at(words, word));
  return result;
}

Metaspace::Prepend parse_prepend(const std::string& scheme) {
  if (scheme == "always") return Metaspace::Prepend::kAlways;
  if (scheme == "never") return Metaspace::Prepend::kNever;
  if (scheme == "first") return Metaspace::Prepend::kFirst;
  throw std::invalid_argument("unknown prepend_scheme \"" + scheme + "\": there are always, never, first");
}

template <typename T>
using Class = nb::class_<T, PreTokenizer>;

void bind_simple(nb::module_& module) {
  Class<BertPreTokenizer>(module, "BertPreTokenizer").def(nb::init<>());
  Class<Whitespace>(module, "Whitespace").def(nb::init<>());
  Class<WhitespaceSplit>(module, "WhitespaceSplit").def(nb::init<>());
  Class<Digits>(module, "Digits").def(nb::init<bool>(), "individual_digits"_a = false);
  Class<CharDelimiterSplit>(module, "CharDelimiterSplit").def(nb::init<std::string>(), "delimiter"_a);
}

void bind_patterns(nb::module_& module) {
  const auto punctuation = [](Punctuation* self, const std::string& behavior) {
    new (self) Punctuation(parse_behavior(behavior));
  };
  Class<Punctuation>(module, "Punctuation").def("__init__", punctuation, "behavior"_a = "Isolated");
  const auto split = [](Split* self, const std::string& pattern, const std::string& behavior, bool invert,
                        bool regex) {
    new (self) Split(pattern, parse_behavior(behavior), invert, regex);
  };
  Class<Split>(module, "Split")
      .def("__init__", split, "pattern"_a, "behavior"_a, "invert"_a = false, "regex"_a = false);
}

void bind_rewriting(nb::module_& module) {
  const auto byte_level = [](ByteLevelPreTokenizer* self, bool add_prefix_space, bool /*trim_offsets*/,
                             bool use_regex) {
    new (self) ByteLevelPreTokenizer(add_prefix_space, use_regex);
  };
  Class<ByteLevelPreTokenizer>(module, "ByteLevelPreTokenizer")
      .def("__init__", byte_level, "add_prefix_space"_a = true, "trim_offsets"_a = true,
           "use_regex"_a = true);
  const auto metaspace = [](Metaspace* self, const std::string& replacement, const std::string& scheme,
                            bool split) {
    new (self) Metaspace(replacement, parse_prepend(scheme), split);
  };
  Class<Metaspace>(module, "Metaspace")
      .def("__init__", metaspace, "replacement"_a = "\u2581", "prepend_scheme"_a = "always",
           "split"_a = true);
}

}  // namespace

void bind_splits(nb::module_& module) {
  nb::class_<PreTokenizer>(module, "PreTokenizer")
      .def("split", &split, "text"_a, "The words, each with the range of characters it stands for.")
      .def("words", &words_of, "text"_a, "The words as a model gets them where no ranges are asked for.")
      .def("needs_origins", [](const PreTokenizer& self) { return self.needs_origins(true); },
           "Whether the words depend on where in the text they stand.");
  bind_simple(module);
  bind_patterns(module);
  bind_rewriting(module);
  Class<PreTokenizerSequence>(module, "PreTokenizerSequence")
      .def(nb::init<const std::vector<PreTokenizerPtr>&>(), "pretokenizers"_a);
}

}  // namespace graft
