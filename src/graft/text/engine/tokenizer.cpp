#include "tokenizer.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <stdexcept>
#include <thread>

#include "byte_hash.h"
#include "unicode.h"

namespace graft {
namespace {

constexpr std::size_t kBlockBytes = 1 << 15;  // of text that a thread takes at a time

std::size_t count_special(const Template& items) {
  return static_cast<std::size_t>(std::count_if(
      items.begin(), items.end(), [](const auto& item) { return item.kind == TemplateItem::Kind::kSpecial; }));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char byte) { return static_cast<signed char>(byte) >= 0; });
}

// Turns ranges of a text's bytes into ranges of its characters.
void count_in_chars(std::string_view text, std::vector<Span>& spans, std::vector<std::uint32_t>& chars) {
  if (is_ascii(text)) return;
  chars.resize(text.size() + 1);
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    chars[i] = count;
    count += i + 1 == text.size() || starts_char(text[i + 1]) ? 1 : 0;
  }
  chars[text.size()] = count;
  for (Span& span : spans) span = {chars[span.start], chars[span.end]};
}

// Spaces at the start and the end of a model's token.
Span margins_of(std::string_view token) {
  const std::size_t first = token.find_first_not_of(' ');
  if (first == std::string_view::npos) {
    const auto all = static_cast<std::uint32_t>(token.size());
    return {all, all};
  }
  return {static_cast<std::uint32_t>(first),
          static_cast<std::uint32_t>(token.size() - 1 - token.find_last_not_of(' '))};
}

// White space at the start and the end of an added token, as it stands in the text.
Span margins_of_added(std::string_view token) {
  Span margins;
  bool leading = true;
  for (std::size_t at = 0; at < token.size();) {
    const bool space = unicode::is_white_space(next_char(token, at));
    leading = leading && space;
    margins.start += leading ? 1 : 0;
    margins.end = space ? margins.end + 1 : 0;
  }
  return margins;
}

// Leaves the margins out of the spans.
void trim(Tokens& tokens, bool add_prefix_space) {
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    Span& span = tokens.spans[i];
    Span margins = tokens.margins[i];
    // A space that was put before the text is no part of the span that could be left out.
    if (add_prefix_space && margins.start == 1 && (i == 0 || span.start == 0)) margins.start = 0;
    span.start = std::min(span.start + margins.start, span.end);
    if (span.end >= margins.end) span.end = std::max(span.end - margins.end, span.start);
  }
}

struct Kept {
  std::size_t first = 0;
  std::size_t second = 0;
};

// How many tokens of two texts are kept in `room`: see graft.text.truncation.
Kept keep(std::size_t first, std::size_t second, std::size_t room, Truncation truncation) {
  if (first + second <= room) return {first, second};
  if (truncation == Truncation::kLongestFirst) {
    const std::size_t shorter = std::min({first, second, room / 2});
    return first > second ? Kept{room - shorter, shorter} : Kept{shorter, room - shorter};
  }
  const std::size_t whole = truncation == Truncation::kOnlyFirst ? second : first;
  if (whole >= room) {
    throw std::invalid_argument("has a text of " + std::to_string(whole) + " tokens that may not be cut, and room for " +
                                std::to_string(room) + " in all: cut the longest first, or give a larger max_length");
  }
  return truncation == Truncation::kOnlyFirst ? Kept{room - whole, whole} : Kept{whole, room - whole};
}

// Appends a range of a text's tokens.
void append(const Tokens& tokens, std::size_t begin, std::size_t end, int sequence, std::int32_t type_id, bool spans,
            bool types, Rows& rows) {
  const auto from = static_cast<std::ptrdiff_t>(begin);
  const auto to = static_cast<std::ptrdiff_t>(end);
  rows.ids.insert(rows.ids.end(), tokens.ids.begin() + from, tokens.ids.begin() + to);
  if (types) rows.type_ids.insert(rows.type_ids.end(), end - begin, type_id);
  if (!spans) return;
  for (std::size_t i = begin; i < end; ++i) {
    rows.spans.push_back(static_cast<std::int32_t>(tokens.spans[i].start));
    rows.spans.push_back(static_cast<std::int32_t>(tokens.spans[i].end));
  }
  rows.words.insert(rows.words.end(), tokens.words.begin() + from, tokens.words.begin() + to);
  rows.sequences.insert(rows.sequences.end(), end - begin, static_cast<std::int8_t>(sequence));
}

void append_special(const TemplateItem& item, bool spans, bool types, Rows& rows) {
  rows.ids.push_back(item.id);
  if (types) rows.type_ids.push_back(item.type_id);
  if (!spans) return;
  rows.spans.insert(rows.spans.end(), 2, 0);
  rows.words.push_back(-1);
  rows.sequences.push_back(-1);
}

template <typename T>
void join(std::vector<Rows>& parts, std::vector<T> Rows::* field, Rows& all) {
  std::size_t size = 0;
  for (const Rows& part : parts) size += (part.*field).size();
  (all.*field).reserve(size);
  for (Rows& part : parts) {
    (all.*field).insert((all.*field).end(), (part.*field).begin(), (part.*field).end());
    std::vector<T>().swap(part.*field);
  }
}

Rows join_all(std::vector<Rows>& parts) {
  if (parts.size() == 1) return std::move(parts[0]);
  Rows all;
  join(parts, &Rows::ids, all);
  join(parts, &Rows::type_ids, all);
  join(parts, &Rows::lengths, all);
  join(parts, &Rows::sources, all);
  join(parts, &Rows::spans, all);
  join(parts, &Rows::words, all);
  join(parts, &Rows::sequences, all);
  for (const Rows& part : parts) all.truncated += part.truncated;
  return all;
}

// Where blocks of rows start, and the end: each has about kBlockBytes of text.
std::vector<std::size_t> blocks_of(const Strings& texts, const Strings* pairs) {
  std::vector<std::size_t> starts{0};
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < texts.size; ++i) {
    bytes += texts[i].size() + (pairs ? (*pairs)[i].size() : 0) + 16;
    if (bytes >= kBlockBytes) {
      starts.push_back(i + 1);
      bytes = 0;
    }
  }
  if (starts.back() != texts.size) starts.push_back(texts.size);
  return starts;
}

}  // namespace

void Tokens::clear() {
  ids.clear();
  spans.clear();
  words.clear();
  margins.clear();
}

// What one thread works in.
struct Tokenizer::Worker {
  WordCache cache;
  Words words;
  Words part;
  std::vector<Segment> raw_segments;
  std::vector<Segment> segments;
  std::vector<Token> word_tokens;
  std::vector<std::uint32_t> chars;
  Tokens first;
  Tokens second;
};

Tokenizer::Tokenizer(Parts parts)
    : parts_(std::move(parts)),
      raw_added_(parts_.raw_added),
      normalized_added_(parts_.normalized_added),
      single_special_(count_special(parts_.single)),
      pair_special_(count_special(parts_.pair)) {
  needs_origins_ = parts_.pre_tokenizer && parts_.pre_tokenizer->needs_origins(normalized_added_.empty());
}

Tokenizer::~Tokenizer() = default;

// A lock that somebody held when the process was forked is never given back in the child: so nobody
// waits for it, and who does not get it makes a worker of their own.
std::unique_ptr<Tokenizer::Worker> Tokenizer::take_worker() const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock() || workers_.empty()) return std::make_unique<Worker>();
  auto worker = std::move(workers_.back());
  workers_.pop_back();
  return worker;
}

void Tokenizer::give_worker(std::unique_ptr<Worker> worker) const {
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock()) workers_.push_back(std::move(worker));
}

Rows Tokenizer::encode(const Strings& texts, const Strings* pairs, const EncodeOptions& options) const {
  if (!parts_.model) throw std::invalid_argument("a tokenizer without a model only splits");
  const std::vector<std::size_t> starts = blocks_of(texts, pairs);
  const std::size_t blocks = starts.size() - 1;
  if (blocks == 0) return {};
  std::vector<Rows> parts(blocks);
  std::vector<std::exception_ptr> errors(blocks);
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto work = [&] {
    auto worker = take_worker();
    for (std::size_t block = next++; block < blocks && !failed; block = next++) {
      try {
        encode_rows(texts, pairs, starts[block], starts[block + 1], options, *worker, parts[block]);
      } catch (...) {
        errors[block] = std::current_exception();
        failed = true;
      }
    }
    give_worker(std::move(worker));
  };
  const std::size_t wanted = std::min<std::size_t>(blocks, static_cast<std::size_t>(std::max(1, options.threads)));
  {
    std::vector<std::jthread> others;
    for (std::size_t i = 1; i < wanted; ++i) others.emplace_back(work);
    work();
  }
  for (const auto& error : errors) {
    if (error) std::rethrow_exception(error);
  }
  return join_all(parts);
}

void Tokenizer::encode_rows(const Strings& texts, const Strings* pairs, std::size_t begin, std::size_t end,
                            const EncodeOptions& options, Worker& worker, Rows& rows) const {
  const Template& items = pairs ? parts_.pair : parts_.single;
  const bool aligned = options.spans;
  const bool types = pairs != nullptr;
  const std::size_t special = !options.add_special_tokens ? 0 : pairs ? pair_special_ : single_special_;
  for (std::size_t i = begin; i < end; ++i) {
    const auto read = [&](std::string_view text, const char* name, Tokens& tokens) {
      const std::size_t bad = find_invalid_utf8(text);
      if (bad != std::string_view::npos) {
        throw std::invalid_argument(std::string(name) + " " + std::to_string(i) + " is not valid UTF-8 at byte " +
                                    std::to_string(bad));
      }
      tokenize(text, aligned, worker, tokens);
    };
    read(texts[i], "Text", worker.first);
    worker.second.clear();
    if (pairs) read((*pairs)[i], "Second text", worker.second);
    const Tokens& first = worker.first;
    const Tokens& second = worker.second;

    Kept kept{first.size(), second.size()};
    if (options.max_length >= 0) {
      const auto limit = static_cast<std::size_t>(options.max_length);
      if (limit <= special) throw std::invalid_argument("max_length leaves no room for tokens");
      try {
        kept = keep(first.size(), second.size(), limit - special, options.truncation);
      } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("Row " + std::to_string(i) + " " + error.what());
      }
    }
    const bool cut = kept.first < first.size() || kept.second < second.size();
    rows.truncated += cut ? 1 : 0;
    const bool windows = options.stride >= 0 && cut;
    // Of a pair, windows move over the text that is cut, and the other one stays.
    const bool over_second = windows && kept.second < second.size();
    const std::size_t size = over_second ? kept.second : kept.first;
    const std::size_t total = over_second ? second.size() : first.size();
    if (windows && size <= static_cast<std::size_t>(options.stride)) {
      throw std::invalid_argument("Row " + std::to_string(i) + " has room for " + std::to_string(size) +
                                  " tokens of the text that is cut: stride must be less");
    }
    const std::size_t step = windows ? size - static_cast<std::size_t>(options.stride) : total + 1;
    std::size_t start = 0;
    while (true) {
      const std::size_t stop = std::min(start + size, total);
      const std::size_t before = rows.ids.size();
      for (const TemplateItem& item : items) {
        if (item.kind == TemplateItem::Kind::kSpecial) {
          if (options.add_special_tokens) append_special(item, aligned, types, rows);
        } else if (item.kind == TemplateItem::Kind::kFirst) {
          const bool whole = over_second;
          append(first, whole ? 0 : start, whole ? kept.first : stop, 0, item.type_id, aligned, types, rows);
        } else {
          append(second, over_second ? start : 0, over_second ? stop : kept.second, 1, item.type_id, aligned, types,
                 rows);
        }
      }
      rows.lengths.push_back(static_cast<std::int64_t>(rows.ids.size() - before));
      if (options.stride >= 0) rows.sources.push_back(static_cast<std::int64_t>(i));
      if (!windows || stop == total) break;
      start += step;
    }
  }
}

template <typename OnWords, typename OnAdded>
void Tokenizer::each_part(std::string_view text, bool wants_spans, Worker& worker, OnWords on_words,
                          OnAdded on_added) const {
  const bool aligned = wants_spans || needs_origins_;
  const auto split_words = [&](Words& words, std::uint32_t begin) {
    words.reset(begin);
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->split(words);
    on_words(words);
  };
  worker.raw_segments.clear();
  raw_added_.split(text, worker.raw_segments);
  for (const Segment raw : worker.raw_segments) {
    const std::string_view part = text.substr(raw.start, raw.end - raw.start);
    if (raw.id >= 0) {
      on_added(raw.id, part, Span{raw.start, raw.end});
      continue;
    }
    Words& words = worker.words;
    words.text.assign(part, aligned, raw.start);
    if (parts_.normalizer) parts_.normalizer->normalize(words.text);
    if (words.text.bytes.empty()) continue;
    worker.segments.clear();
    normalized_added_.split(words.text.bytes, worker.segments);
    if (worker.segments.size() == 1 && worker.segments[0].id < 0) {
      split_words(words, raw.start);
      continue;
    }
    for (const Segment segment : worker.segments) {
      const auto begin = static_cast<std::ptrdiff_t>(segment.start);
      const auto end = static_cast<std::ptrdiff_t>(segment.end);
      const std::string_view bytes =
          std::string_view(words.text.bytes).substr(segment.start, segment.end - segment.start);
      if (segment.id >= 0) {
        on_added(segment.id, bytes, aligned ? words.text.origin(segment.start, segment.end) : Span{});
        continue;
      }
      Text& inner = worker.part.text;
      inner.bytes.assign(bytes);
      inner.aligned = aligned;
      inner.origins.clear();
      if (aligned) inner.origins.assign(words.text.origins.begin() + begin, words.text.origins.begin() + end);
      split_words(worker.part, aligned ? inner.origins.front().start : raw.start + segment.start);
    }
  }
}

void Tokenizer::tokenize(std::string_view text, bool aligned, Worker& worker, Tokens& tokens) const {
  tokens.clear();
  std::int32_t word = 0;
  each_part(
      text, aligned, worker,
      [&](const Words& words) { tokenize_words(words, aligned, word, worker, tokens); },
      [&](std::int32_t id, std::string_view bytes, Span span) {
        tokens.ids.push_back(id);
        if (aligned) {
          tokens.spans.push_back(span);
          tokens.words.push_back(word);
          if (parts_.trim_offsets) tokens.margins.push_back(margins_of_added(bytes));
        }
        ++word;
      });
  if (!aligned) return;
  count_in_chars(text, tokens.spans, worker.chars);
  if (parts_.trim_offsets) trim(tokens, parts_.add_prefix_space);
}

// The tokens of a word; good until it is asked for the next.
std::span<const Token> Tokenizer::tokens_of(std::string_view word, Worker& worker) const {
  const bool cached = WordCache::takes(word);
  const std::uint64_t hash = cached ? hash_bytes(word) : 0;
  if (cached) {
    if (const auto found = worker.cache.find(word, hash)) return *found;
  }
  worker.word_tokens.clear();
  parts_.model->tokenize(word, worker.word_tokens);
  if (cached) worker.cache.keep(word, hash, worker.word_tokens);
  return worker.word_tokens;
}

void Tokenizer::tokenize_words(const Words& words, bool aligned, std::int32_t& index, Worker& worker,
                               Tokens& tokens) const {
  for (const Span range : words.words) {
    const std::string_view word = std::string_view(words.text.bytes).substr(range.start, range.end - range.start);
    const std::span<const Token> found = tokens_of(word, worker);
    for (const Token& token : found) tokens.ids.push_back(token.id);
    if (aligned) {
      for (const Token& token : found) {
        tokens.spans.push_back(words.text.origin(range.start + token.start, range.start + token.end));
        if (parts_.trim_offsets) tokens.margins.push_back(margins_of(word.substr(token.start, token.end - token.start)));
      }
      tokens.words.insert(tokens.words.end(), found.size(), index);
    }
    ++index;
  }
}

void Tokenizer::each_word(std::string_view text, const std::function<void(std::string_view)>& take) const {
  auto worker = take_worker();
  each_part(
      text, false, *worker,
      [&](const Words& words) {
        for (const Span range : words.words) {
          take(std::string_view(words.text.bytes).substr(range.start, range.end - range.start));
        }
      },
      [](std::int32_t, std::string_view, Span) {});
  give_worker(std::move(worker));
}

}  // namespace graft
