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

// \w, as regular expressions have it.
bool is_word(char32_t c) {
  using unicode::Category;
  const Category category = unicode::category(c);
  return (unicode::is_alphanumeric(c) && category != Category::No) || unicode::is_mark(c) ||
         category == Category::Pc || c == 0x200C || c == 0x200D;
}

bool ends_with_word(std::string_view text, std::size_t end) {
  if (end == 0) return false;
  std::size_t at = char_start_before(text, end);
  return is_word(next_char(text, at));
}

bool starts_with_word(std::string_view text, std::size_t start) {
  return start < text.size() && is_word(next_char(text, start));
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    std::size_t next = at;
    if (!unicode::is_white_space(next_char(text, next))) break;
    at = next;
  }
  return at;
}

std::size_t skip_space_back(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t start = char_start_before(text, end);
    std::size_t at = start;
    if (!unicode::is_white_space(next_char(text, at))) break;
    end = start;
  }
  return end;
}

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)), nodes_(1) {
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty()) throw std::invalid_argument("an added token is empty");
    starts_[static_cast<unsigned char>(content[0])] = true;
    std::uint32_t at = 0;
    for (const char byte : content) {
      const auto label = static_cast<unsigned char>(byte);
      auto& next = nodes_[at].next;
      const auto found = std::find_if(next.begin(), next.end(), [&](const auto& edge) { return edge.first == label; });
      if (found != next.end()) {
        at = found->second;
        continue;
      }
      const auto made = static_cast<std::uint32_t>(nodes_.size());
      next.emplace_back(label, made);
      nodes_.emplace_back();
      at = made;
    }
    nodes_[at].token = static_cast<std::int32_t>(i);
  }
}

const AddedToken* AddedTokens::match(std::string_view text, std::size_t start) const {
  const AddedToken* longest = nullptr;
  std::uint32_t at = 0;
  for (std::size_t i = start; i < text.size(); ++i) {
    const auto label = static_cast<unsigned char>(text[i]);
    const auto& next = nodes_[at].next;
    const auto found = std::find_if(next.begin(), next.end(), [&](const auto& edge) { return edge.first == label; });
    if (found == next.end()) break;
    at = found->second;
    if (nodes_[at].token >= 0) longest = &tokens_[static_cast<std::size_t>(nodes_[at].token)];
  }
  return longest;
}

void AddedTokens::split(std::string_view text, std::vector<Segment>& segments) const {
  std::size_t done = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    if (!starts_[static_cast<unsigned char>(text[at])]) {
      ++at;
      continue;
    }
    const AddedToken* token = match(text, at);
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t start = at;
    std::size_t end = at + token->content.size();
    at = end;
    if (token->single_word && (ends_with_word(text, start) || starts_with_word(text, end))) continue;
    if (token->lstrip) start = std::max(skip_space_back(text, start), done);
    if (token->rstrip) end = skip_space(text, end);
    if (done < start) segments.push_back({-1, static_cast<std::uint32_t>(done), static_cast<std::uint32_t>(start)});
    segments.push_back({token->id, static_cast<std::uint32_t>(start), static_cast<std::uint32_t>(end)});
    done = end;
    at = std::max(at, done);
  }
  if (done < text.size()) {
    segments.push_back({-1, static_cast<std::uint32_t>(done), static_cast<std::uint32_t>(text.size())});
  }
}

}  // namespace graft
