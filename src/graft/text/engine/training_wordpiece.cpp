// WordPiece vocabularies are learned as BPE's are; only the tokens are kept.
#include <stdexcept>

#include "training.h"

namespace graft {

std::vector<std::string> train_wordpiece(const WordCounter& counter, const BpeTrainingOptions& options,
                                         Progress& progress) {
  if (options.byte_level) throw std::invalid_argument("WordPiece has no byte level");
  return train_bpe(counter, options, progress).tokens;
}

}  // namespace graft
