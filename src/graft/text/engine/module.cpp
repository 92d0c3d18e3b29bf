#include "bind.h"

NB_MODULE(_engine, module) {
  module.doc() = "Graft's tokenizers: the parts that `graft.text` puts together.";
  graft::bind_normalizers(module);
  graft::bind_splits(module);
  graft::bind_models(module);
  graft::bind_tokenizer(module);
  graft::bind_training(module);
}
