#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "bind.h"
#include "tokenizer.h"
#include "training.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {
namespace {

using Bytes = nb::ndarray<const std::uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Offsets = nb::ndarray<const std::int64_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using AddedTuple = std::tuple<nb::int_, std::string, bool, bool, bool>;
using ItemTuple = std::tuple<int, nb::int_, std::int32_t>;

// What Arrow was given may be anything: all offsets are looked at before a byte is read.
Strings strings(const Bytes& data, const Offsets& offsets, const std::string& name, std::size_t first = 0) {
  if (offsets.size() == 0) throw std::invalid_argument("offsets need one entry more than there are strings");
  const std::size_t size = offsets.size() - 1;
  const std::int64_t* at = offsets.data();
  const auto total = static_cast<std::int64_t>(data.size());
  for (std::size_t i = 0; i < size; ++i) {
    const std::string text = name + " " + std::to_string(first + i);
    if (at[i] < 0 || at[i + 1] < at[i] || at[i + 1] > total) {
      throw std::invalid_argument(text + " is said to be bytes " + std::to_string(at[i]) + " to " +
                                  std::to_string(at[i + 1]) + " of " + std::to_string(total) +
                                  ": offsets must not fall, nor go beyond the data");
    }
    if (at[i + 1] - at[i] > INT32_MAX) throw std::invalid_argument(text + " has more than 2 GiB: split it");
  }
  return {reinterpret_cast<const char*>(data.data()), at, size, first};
}

std::int32_t token_id(const nb::int_& id, const std::string& what) {
  const std::int64_t number = clamped_int(id);
  if (number < 0 || number > INT32_MAX) {
    throw std::invalid_argument(what + " has id " + nb::str(id).c_str() + ": ids are from 0 to " +
                                std::to_string(INT32_MAX));
  }
  return static_cast<std::int32_t>(number);
}

std::vector<AddedToken> added_tokens(const std::vector<AddedTuple>& tuples) {
  std::vector<AddedToken> tokens;
  for (const auto& [id, content, single_word, lstrip, rstrip] : tuples) {
    const std::int32_t checked = token_id(id, "the added token " + quoted(content));
    tokens.push_back({checked, content, single_word, lstrip, rstrip});
  }
  return tokens;
}

Template make_template(const std::vector<ItemTuple>& tuples) {
  Template items;
  for (const auto& [kind, id, type_id] : tuples) {
    if (kind < 0 || kind > 2) throw std::invalid_argument("a template's item is of kind 0, 1 or 2");
    items.push_back(
        {static_cast<TemplateItem::Kind>(kind), token_id(id, "a token of the template"), type_id});
  }
  return items;
}

// Gives a vector's memory to NumPy, uncopied.
template <typename T>
nb::object array(std::vector<T>&& values) {
  auto owned = std::make_unique<std::vector<T>>(std::move(values));
  T* data = owned->data();
  const std::size_t size = owned->size();
  nb::capsule owner(owned.release(), [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
  return nb::cast(nb::ndarray<nb::numpy, T, nb::ndim<1>>(data, {size}, owner));
}

nb::tuple encode(const Tokenizer& tokenizer, const Bytes& data, const Offsets& offsets,
                 const std::optional<Bytes>& pair_data, const std::optional<Offsets>& pair_offsets,
                 std::int64_t max_length, std::int64_t stride, int truncation, bool add_special_tokens,
                 bool spans, int threads) {
  if (truncation < 0 || truncation > 2) throw std::invalid_argument("truncation is 0, 1 or 2");
  const Strings texts = strings(data, offsets, "Text");
  std::optional<Strings> pairs;
  if (pair_data && pair_offsets) {
    pairs = strings(*pair_data, *pair_offsets, "Second text");
    if (pairs->size != texts.size) throw std::invalid_argument("there are not as many second texts as texts");
  }
  const EncodeOptions options{
      max_length, stride, static_cast<Truncation>(truncation), add_special_tokens, spans, threads};
  Rows rows;
  {
    const nb::gil_scoped_release release;
    rows = tokenizer.encode(texts, pairs ? &*pairs : nullptr, options);
  }
  return nb::make_tuple(array(std::move(rows.ids)), array(std::move(rows.lengths)),
                        array(std::move(rows.type_ids)), array(std::move(rows.sources)),
                        array(std::move(rows.spans)), array(std::move(rows.words)),
                        array(std::move(rows.sequences)), rows.truncated);
}

// Each thread counts on its own; then all counts come together.
void count_words(const Tokenizer& tokenizer, WordCounter& counter, const Bytes& data, const Offsets& offsets,
                 int threads, std::size_t first) {
  const Strings texts = strings(data, offsets, "Text", first);
  const std::unique_lock lock(counter.in_use(), std::try_to_lock);
  if (!lock.owns_lock()) throw std::invalid_argument("the counter is in use by another thread");
  const nb::gil_scoped_release release;
  const std::vector<Block> blocks = blocks_of(texts, nullptr);
  std::vector<WordCounter> counters(threads_for(blocks, threads));
  each_block(blocks, counters.size(), [&](std::size_t thread, const Block& block) {
    const auto count = [&](std::string_view word) { counters[thread].add(word); };
    const auto read = [&](std::string_view text) { tokenizer.each_word(text, count); };
    for (std::size_t i = block.begin; i < block.end; ++i) read_text(texts, i, "Text", read);
  });
  for (const WordCounter& part : counters) counter.merge(part);
}

}  // namespace

void bind_tokenizer(nb::module_& module) {
  nb::class_<Tokenizer>(module, "Tokenizer", "From texts to ids.")
      .def(
          "__init__",
          [](Tokenizer* self, std::shared_ptr<Normalizer> normalizer,
             std::shared_ptr<PreTokenizer> pre_tokenizer, std::shared_ptr<Model> model,
             const std::vector<AddedTuple>& raw_added, const std::vector<AddedTuple>& normalized_added,
             const std::vector<ItemTuple>& single, const std::vector<ItemTuple>& pair, bool trim_offsets,
             bool add_prefix_space) {
            new (self) Tokenizer({std::move(normalizer), std::move(pre_tokenizer), std::move(model),
                                  added_tokens(raw_added), added_tokens(normalized_added),
                                  make_template(single), make_template(pair), trim_offsets,
                                  add_prefix_space});
          },
          nb::kw_only(), "normalizer"_a.none(), "pre_tokenizer"_a.none(), "model"_a.none(), "raw_added"_a,
          "normalized_added"_a, "single"_a, "pair"_a, "trim_offsets"_a = false, "add_prefix_space"_a = false)
      .def("encode", &encode, "data"_a, "offsets"_a, "pair_data"_a = nb::none(),
           "pair_offsets"_a = nb::none(), nb::kw_only(), "max_length"_a = -1, "stride"_a = -1,
           "truncation"_a = 0, "add_special_tokens"_a = true, "spans"_a = false, "threads"_a = 1,
           "(ids, lengths, type_ids, sources, spans, words, sequences, truncated) of the rows.")
      .def("count_words", &count_words, "counter"_a, "data"_a, "offsets"_a, "threads"_a = 1,
           "first"_a = 0, "Counts the words that the model would be asked for.");
}

}  // namespace graft
