// Each part of the engine gives its classes to Python.
#pragma once

#include <nanobind/nanobind.h>

#include <cstdint>
#include <limits>

namespace graft {

// A Python integer; one out of range is the nearest one in it, which whoever asks refuses too.
inline std::int64_t clamped_int(nanobind::handle value) {
  int overflow = 0;
  const long long number = PyLong_AsLongLongAndOverflow(value.ptr(), &overflow);
  if (overflow == 0) return number;
  using Limits = std::numeric_limits<std::int64_t>;
  return overflow > 0 ? Limits::max() : Limits::min();
}

void bind_normalizers(nanobind::module_& module);
void bind_splits(nanobind::module_& module);
void bind_models(nanobind::module_& module);
void bind_tokenizer(nanobind::module_& module);
void bind_training(nanobind::module_& module);

}  // namespace graft
