#include "rows.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace graft {
namespace {

// How many tokens of texts a row has room for.
std::size_t room_in(const Template& items, const EncodeOptions& options) {
  if (options.max_length < 0) return std::numeric_limits<std::size_t>::max();
  const auto is_special = [](const TemplateItem& item) { return item.kind == TemplateItem::Kind::kSpecial; };
  const auto special = options.add_special_tokens ? std::count_if(items.begin(), items.end(), is_special) : 0;
  if (options.max_length <= special) throw std::invalid_argument("max_length leaves no room for tokens");
  return static_cast<std::size_t>(options.max_length - special);
}

template <typename T>
void join_field(std::vector<Rows>& parts, std::vector<T> Rows::* field, Rows& all) {
  std::size_t size = 0;
  for (const Rows& part : parts) size += (part.*field).size();
  (all.*field).reserve(size);
  for (Rows& part : parts) {
    (all.*field).insert((all.*field).end(), (part.*field).begin(), (part.*field).end());
    std::vector<T>().swap(part.*field);
  }
}

}  // namespace

void Tokens::clear() {
  ids.clear();
  spans.clear();
  words.clear();
  margins.clear();
}

Rows join(std::vector<Rows>& parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Rows all;
  join_field(parts, &Rows::ids, all);
  join_field(parts, &Rows::type_ids, all);
  join_field(parts, &Rows::lengths, all);
  join_field(parts, &Rows::sources, all);
  join_field(parts, &Rows::spans, all);
  join_field(parts, &Rows::words, all);
  join_field(parts, &Rows::sequences, all);
  for (const Rows& part : parts) all.truncated += part.truncated;
  return all;
}

RowWriter::RowWriter(const Template& items, const EncodeOptions& options, bool pairs, Rows& rows)
    : items_(items), options_(options), pairs_(pairs), room_(room_in(items, options)), rows_(rows) {}

void RowWriter::write(const Tokens& first, const Tokens& second, std::size_t number) {
  const Kept kept = keep(first.size(), second.size(), number);
  const bool cut = kept.first < first.size() || kept.second < second.size();
  rows_.truncated += cut ? 1 : 0;
  if (cut && options_.stride >= 0) {
    write_windows(first, second, kept, number);
  } else {
    write_row(first, {0, kept.first}, second, {0, kept.second}, number);
  }
}

// How many tokens of each text a row keeps. Of the longest first, the shorter text keeps up to half of the
// room, and the longer one what is left.
RowWriter::Kept RowWriter::keep(std::size_t first, std::size_t second, std::size_t number) const {
  if (first + second <= room_) return {first, second};
  if (options_.truncation == Truncation::kLongestFirst) {
    const std::size_t shorter = std::min({first, second, room_ / 2});
    return first > second ? Kept{room_ - shorter, shorter} : Kept{shorter, room_ - shorter};
  }
  const bool cuts_first = options_.truncation == Truncation::kOnlyFirst;
  const std::size_t whole = cuts_first ? second : first;
  if (whole >= room_) {
    throw std::invalid_argument("Row " + std::to_string(number) + " has a text of " + std::to_string(whole) +
                                " tokens that may not be cut, and room for " + std::to_string(room_) +
                                " in all: cut the longest first, or give a larger max_length");
  }
  return cuts_first ? Kept{room_ - whole, whole} : Kept{whole, room_ - whole};
}

// Each window of one text stands with each of the other, in the order in which the `tokenizers` package tells
// them: the first ones; then the others of the text that the template has first, with all of the other text;
// then its first window with the others.
void RowWriter::write_windows(const Tokens& first, const Tokens& second, Kept kept, std::size_t number) {
  const std::vector<Range> of_first = windows(first.size(), kept.first, number);
  const std::vector<Range> of_second = windows(second.size(), kept.second, number);
  const auto text = std::find_if(items_.begin(), items_.end(), [](const TemplateItem& item) {
    return item.kind != TemplateItem::Kind::kSpecial;
  });
  const bool swapped = text != items_.end() && text->kind == TemplateItem::Kind::kSecond;
  const std::vector<Range>& outer = swapped ? of_second : of_first;
  const std::vector<Range>& inner = swapped ? of_first : of_second;
  const auto write = [&](Range one, Range other) {
    write_row(first, swapped ? other : one, second, swapped ? one : other, number);
  };
  write(outer[0], inner[0]);
  for (std::size_t i = 1; i < outer.size(); ++i) {
    for (const Range other : inner) write(outer[i], other);
  }
  for (std::size_t i = 1; i < inner.size(); ++i) write(outer[0], inner[i]);
}

// The windows of `size` tokens that a text of `total` tokens is cut into, or else all of it.
std::vector<RowWriter::Range> RowWriter::windows(std::size_t total, std::size_t size,
                                                 std::size_t number) const {
  if (total <= size) return {{0, total}};
  const auto stride = static_cast<std::size_t>(options_.stride);
  if (size <= stride) {
    throw std::invalid_argument("Row " + std::to_string(number) + " has room for " + std::to_string(size) +
                                " tokens of a text that is cut: stride must be less");
  }
  std::vector<Range> found;
  for (std::size_t start = 0; found.empty() || found.back().end < total; start += size - stride) {
    found.push_back({start, std::min(start + size, total)});
  }
  return found;
}

void RowWriter::write_row(const Tokens& first, Range of_first, const Tokens& second, Range of_second,
                          std::size_t number) {
  const std::size_t before = rows_.ids.size();
  for (const TemplateItem& item : items_) {
    switch (item.kind) {
      case TemplateItem::Kind::kSpecial:
        if (options_.add_special_tokens) append_special(item);
        break;
      case TemplateItem::Kind::kFirst: append(first, of_first, 0, item.type_id); break;
      case TemplateItem::Kind::kSecond: append(second, of_second, 1, item.type_id); break;
    }
  }
  rows_.lengths.push_back(static_cast<std::int64_t>(rows_.ids.size() - before));
  if (options_.stride >= 0) rows_.sources.push_back(static_cast<std::int64_t>(number));
}

void RowWriter::append(const Tokens& tokens, Range range, int sequence, std::int32_t type_id) {
  const auto begin = static_cast<std::ptrdiff_t>(range.begin);
  const auto end = static_cast<std::ptrdiff_t>(range.end);
  const std::size_t count = range.end - range.begin;
  rows_.ids.insert(rows_.ids.end(), tokens.ids.begin() + begin, tokens.ids.begin() + end);
  if (pairs_) rows_.type_ids.insert(rows_.type_ids.end(), count, type_id);
  if (!options_.spans) return;
  const std::size_t before = rows_.spans.size();
  rows_.spans.resize(before + 2 * count);
  std::int32_t* out = rows_.spans.data() + before;
  for (std::size_t i = range.begin; i < range.end; ++i) {
    *out++ = static_cast<std::int32_t>(tokens.spans[i].start);
    *out++ = static_cast<std::int32_t>(tokens.spans[i].end);
  }
  rows_.words.insert(rows_.words.end(), tokens.words.begin() + begin, tokens.words.begin() + end);
  rows_.sequences.insert(rows_.sequences.end(), count, static_cast<std::int8_t>(sequence));
}

void RowWriter::append_special(const TemplateItem& item) {
  rows_.ids.push_back(item.id);
  if (pairs_) rows_.type_ids.push_back(item.type_id);
  if (!options_.spans) return;
  rows_.spans.insert(rows_.spans.end(), 2, 0);
  rows_.words.push_back(-1);
  rows_.sequences.push_back(-1);
}

}  // namespace graft
