#include "added_tokens.h"

#include <algorithm>
#include <stdexcept>

#include "unicode.h"
#include "utf8.h"

namespace graft {
namespace {

std::size_t char_start_before(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (!starts_char(text[at])) --at;
  return at;
}

bool ends_with_word(std::string_view text, std::size_t end) {
  if (end == 0) return false;
  std::size_t at = char_start_before(text, end);
  return unicode::is_word(next_char(text, at));
}

bool starts_with_word(std::string_view text, std::size_t start) {
  return start < text.size() && unicode::is_word(next_char(text, start));
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    if (!unicode::is_white_space(next_char(text, next))) break;
    at = next;
  }
  return at;
}

std::size_t skip_space_back(std::string_view text, std::size_t end, std::size_t least) {
  while (end > least) {
    const std::size_t start = char_start_before(text, end);
    std::size_t at = start;
    if (!unicode::is_white_space(next_char(text, at))) break;
    end = start;
  }
  return end;
}

Segment make_segment(std::int32_t id, std::size_t start, std::size_t end) {
  return {id, static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)};
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) {
      throw std::invalid_argument("the added token of id " + std::to_string(tokens_[i].id) + " is empty");
    }
    starts_[static_cast<unsigned char>(content[0])] = true;
    std::uint32_t at = 0;
    for (const char byte : content) {
      std::uint32_t next = child(at, byte);
      if (next == kNone) {
        next = static_cast<std::uint32_t>(nodes_.size());
        nodes_[at].next.emplace_back(byte, next);
        nodes_.emplace_back();
      }
      at = next;
    }
    nodes_[at].token = static_cast<std::int32_t>(i);
  }
  if (std::count(starts_.begin(), starts_.end(), true) == 1) only_start_ = tokens_[0].content[0];
}

std::uint32_t AddedTokens::child(std::uint32_t node, char byte) const {
  for (const auto& [label, next] : nodes_[node].next) {
    if (label == byte) return next;
  }
  return kNone;
}

const AddedToken* AddedTokens::match(std::string_view text, std::size_t start) const {
  const AddedToken* longest = nullptr;
  std::uint32_t at = 0;
  for (std::size_t i = start; i < text.size(); ++i) {
    at = child(at, text[i]);
    if (at == kNone) break;
    if (nodes_[at].token >= 0) longest = &tokens_[static_cast<std::size_t>(nodes_[at].token)];
  }
  return longest;
}

std::size_t AddedTokens::find_start(std::string_view text, std::size_t at) const {
  if (tokens_.empty()) return text.size();
  if (only_start_) return std::min(text.find(*only_start_, at), text.size());
  while (at < text.size() && !starts_[static_cast<unsigned char>(text[at])]) ++at;
  return at;
}

void AddedTokens::split(std::string_view text, std::vector<Segment>& segments) const {
  std::size_t done = 0;
  std::size_t at = find_start(text, 0);
  for (; at < text.size(); at = find_start(text, at)) {
    const AddedToken* token = match(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t start = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->single_word && (ends_with_word(text, start) || starts_with_word(text, end))) continue;
    if (token->lstrip) start = skip_space_back(text, start, done);
    if (token->rstrip) end = skip_space(text, end);
    if (done < start) segments.push_back(make_segment(-1, done, start));
    segments.push_back(make_segment(token->id, start, end));
    done = end;
    at = std::max(at, done);
  }
  if (done < text.size()) segments.push_back(make_segment(-1, done, text.size()));
}

}  // namespace graft
