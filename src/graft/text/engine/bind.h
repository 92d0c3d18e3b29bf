// Each part of the engine gives its classes to Python.
#pragma once

#include <nanobind/nanobind.h>

namespace graft {

void bind_normalizers(nanobind::module_& module);
void bind_splits(nanobind::module_& module);
void bind_models(nanobind::module_& module);
void bind_tokenizer(nanobind::module_& module);
void bind_training(nanobind::module_& module);

}  // namespace graft
