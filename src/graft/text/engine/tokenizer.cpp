#include "tokenizer.h"

#include <algorithm>
#include <stdexcept>

#include "ascii.h"
#include "byte_hash.h"
#include "splits_cut.h"
#include "unicode.h"

namespace graft {
namespace {

// Turns ranges of a text's bytes into ranges of its characters.
void count_in_chars(std::string_view text, std::vector<Span>& spans, std::vector<std::uint32_t>& chars) {
  if (ascii::run_end(text, 0) == text.size()) return;
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

}  // namespace

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

  // Give back the memory that only a huge text needs.
  void forget_huge_words() {
    if (words.words.capacity() > kKeptBytes) words = Words();
    if (part.words.capacity() > kKeptBytes) part = Words();
  }
  void forget_huge_tokens() {
    if (first.ids.capacity() > kKeptBytes) first = Tokens();
    if (second.ids.capacity() > kKeptBytes) second = Tokens();
  }
};

Tokenizer::Tokenizer(Parts parts)
    : parts_(std::move(parts)),
      raw_added_(parts_.raw_added),
      normalized_added_(parts_.normalized_added) {
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
  if (worker && lock.owns_lock()) workers_.push_back(std::move(worker));
}

Rows Tokenizer::encode(const Strings& texts, const Strings* pairs, const EncodeOptions& options) const {
  if (!parts_.model) throw std::invalid_argument("a tokenizer without a model only splits");
  const std::vector<Block> blocks = blocks_of(texts, pairs);
  const std::size_t threads = threads_for(blocks, options.threads);
  std::vector<Rows> parts(blocks.size());
  std::vector<std::unique_ptr<Worker>> workers(threads);
  each_block(blocks, threads, [&](std::size_t thread, const Block& block) {
    if (!workers[thread]) workers[thread] = take_worker();
    encode_block(texts, pairs, block, options, *workers[thread], parts[block.number]);
  });
  for (auto& worker : workers) give_worker(std::move(worker));
  return join(parts);
}

void Tokenizer::encode_block(const Strings& texts, const Strings* pairs, const Block& block,
                             const EncodeOptions& options, Worker& worker, Rows& rows) const {
  RowWriter writer(pairs ? parts_.pair : parts_.single, options, pairs != nullptr, rows);
  worker.second.clear();
  const auto tokens_to = [&](Tokens& tokens) {
    return [&, into = &tokens](std::string_view text) { tokenize(text, options.spans, worker, *into); };
  };
  for (std::size_t i = block.begin; i < block.end; ++i) {
    read_text(texts, i, "Text", tokens_to(worker.first));
    if (pairs) read_text(*pairs, i, "Second text", tokens_to(worker.second));
    worker.forget_huge_words();
    writer.write(worker.first, worker.second, i);
    worker.forget_huge_tokens();
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
      if (aligned) {
        inner.origins.assign(words.text.origins.begin() + begin, words.text.origins.begin() + end);
      }
      inner.shift = aligned ? inner.origins.front().start : raw.start + segment.start;
      split_words(worker.part, inner.shift);
    }
  }
}

void Tokenizer::tokenize(std::string_view text, bool aligned, Worker& worker, Tokens& tokens) const {
  tokens.clear();
  if (text.size() > kKeptBytes) tokens.ids.reserve(text.size());
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
    const std::string_view word =
        std::string_view(words.text.bytes).substr(range.start, range.end - range.start);
    const std::span<const Token> found = tokens_of(word, worker);
    for (const Token& token : found) tokens.ids.push_back(token.id);
    if (aligned) {
      for (const Token& token : found) {
        tokens.spans.push_back(words.text.origin(range.start + token.start, range.start + token.end));
        if (!parts_.trim_offsets) continue;
        tokens.margins.push_back(margins_of(word.substr(token.start, token.end - token.start)));
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
