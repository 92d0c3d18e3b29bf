// What all pre-tokenizers share, and one after the other.
#include <stdexcept>

#include "splits_cut.h"
#include "splits_visible.h"

namespace graft {

namespace {

template <typename T>
bool is_a(const PreTokenizerPtr& part) {
  return dynamic_cast<const T*>(part.get()) != nullptr;
}

}  // namespace

void Words::reset(std::uint32_t begin_in_original) {
  begin = begin_in_original;
  whole = true;
  words.clear();
  if (!text.bytes.empty()) words.push_back(make_span(0, text.bytes.size()));
}

bool PreTokenizer::needs_origins(bool /*whole*/) const { return false; }

PreTokenizerSequence::PreTokenizerSequence(const std::vector<PreTokenizerPtr>& parts) {
  for (const auto& part : parts) {
    if (part == nullptr) throw std::invalid_argument("None is no part of a sequence of pre-tokenizers");
    if (const auto* inner = dynamic_cast<const PreTokenizerSequence*>(part.get())) {
      parts_.insert(parts_.end(), inner->parts_.begin(), inner->parts_.end());
    } else {
      parts_.push_back(part);
    }
  }
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const bool last = i + 1 == parts_.size();
    const bool byte_level = is_a<ByteLevelPreTokenizer>(parts_[i]);
    if (hides_bytes_ && is_a<Metaspace>(parts_[i])) {
      throw std::invalid_argument("Metaspace cannot come behind ByteLevel, whose alphabet it leaves");
    }
    shows_bytes_.push_back(byte_level && !last);
    hides_bytes_ = shows_bytes_.back() || (hides_bytes_ && !byte_level);
  }
}

void PreTokenizerSequence::split(Words& words) const {
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    parts_[i]->split(words);
    if (shows_bytes_[i]) show_bytes(words);
  }
  if (hides_bytes_) hide_bytes(words);
}

bool PreTokenizerSequence::needs_origins(bool whole) const {
  for (const auto& part : parts_) {
    if (part->needs_origins(whole)) return true;
    whole = false;
  }
  return false;
}

}  // namespace graft
