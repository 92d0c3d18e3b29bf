// Normalizers for Python.
#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <utility>

#include "bind.h"
#include "normalizers.h"
#include "unicode.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {

namespace {

using Range = std::pair<std::size_t, std::size_t>;

std::string normalize(const Normalizer& normalizer, const std::string& string) {
  Text text;
  text.assign(string, false);
  normalizer.normalize(text);
  return text.bytes;
}

// The normalized text, and for each of its characters the range of the original's characters.
std::pair<std::string, std::vector<Range>> normalize_aligned(const Normalizer& normalizer,
                                                             const std::string& string) {
  std::vector<std::size_t> characters(string.size() + 1);  // how many start before each byte
  for (std::size_t i = 0; i < string.size(); ++i) {
    characters[i + 1] = characters[i] + (starts_char(string[i]) ? 1 : 0);
  }
  Text text;
  text.assign(string, true);
  normalizer.normalize(text);
  std::vector<Range> ranges;
  for (std::size_t i = 0; i < text.bytes.size(); ++i) {
    const Span origin = text.origins[i];
    if (starts_char(text.bytes[i])) ranges.emplace_back(characters[origin.start], characters[origin.end]);
  }
  return {text.bytes, ranges};
}

std::string_view view(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }

template <typename T>
using Class = nb::class_<T, Normalizer>;

template <typename T>
void bind_form(nb::module_& module, const char* name) {
  Class<T>(module, name).def(nb::init<>());
}

struct NFC : UnicodeForm {
  NFC() : UnicodeForm(false, true) {}
};
struct NFD : UnicodeForm {
  NFD() : UnicodeForm(false, false) {}
};
struct NFKC : UnicodeForm {
  NFKC() : UnicodeForm(true, true) {}
};
struct NFKD : UnicodeForm {
  NFKD() : UnicodeForm(true, false) {}
};

template <typename T>
void bind_charsmap(nb::module_& module, const char* name) {
  Class<T>(module, name).def(
      "__init__", [](T* self, const nb::bytes& blob) { new (self) T(view(blob)); }, "precompiled_charsmap"_a);
}

void bind_with_settings(nb::module_& module) {
  Class<BertNormalizer>(module, "BertNormalizer")
      .def(nb::init<bool, bool, std::optional<bool>, bool>(), "clean_text"_a = true,
           "handle_chinese_chars"_a = true, "strip_accents"_a = nb::none(), "lowercase"_a = true);
  Class<Replace>(module, "Replace")
      .def(nb::init<std::string, bool, std::string>(), "pattern"_a, "regex"_a, "content"_a);
  Class<Prepend>(module, "Prepend").def(nb::init<std::string>(), "prepend"_a);
  Class<Strip>(module, "Strip").def(nb::init<bool, bool>(), "left"_a = true, "right"_a = true);
  Class<NormalizerSequence>(module, "NormalizerSequence")
      .def(nb::init<std::vector<NormalizerPtr>>(), "normalizers"_a);
}

}  // namespace

void bind_normalizers(nb::module_& module) {
  module.attr("UNICODE_VERSION") = unicode::kVersion;
  nb::class_<Normalizer>(module, "Normalizer", "Rewrites a text before it is split.")
      .def("normalize", &normalize, "text"_a)
      .def("normalize_aligned", &normalize_aligned, "text"_a);
  bind_form<NFC>(module, "NFC");
  bind_form<NFD>(module, "NFD");
  bind_form<NFKC>(module, "NFKC");
  bind_form<NFKD>(module, "NFKD");
  bind_form<Lowercase>(module, "Lowercase");
  bind_form<StripAccents>(module, "StripAccents");
  bind_form<ByteLevelNormalizer>(module, "ByteLevelNormalizer");
  bind_charsmap<Precompiled>(module, "Precompiled");
  bind_charsmap<LongestCharsMap>(module, "LongestCharsMap");
  bind_with_settings(module);
}

}  // namespace graft
