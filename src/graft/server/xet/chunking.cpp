// Finds where chunks end: the gear hash of Xet's specification ("Content-Defined Chunking").
#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "gear_table.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace graft {

namespace {

constexpr std::size_t kMinChunk = 8 * 1024;
constexpr std::size_t kMaxChunk = 128 * 1024;
// A hash below this has its sixteen highest bits zero, as one in 65,536 has: chunks of about 64 KiB.
constexpr std::uint64_t kEnd = std::uint64_t{1} << 48;
// A byte is shifted out of the hash after as many more.
constexpr std::size_t kWindow = 64;

// How long the chunk is that begins at `data`; 0 where its end is not among `size` bytes.
std::size_t chunk_length(const std::uint8_t* data, std::size_t size) {
  if (size < kMinChunk) return 0;
  // No chunk ends before its least length: hashing begins as late as gives the same hash there.
  std::uint64_t hash = 0;
  for (std::size_t at = kMinChunk - kWindow; at < kMinChunk; ++at) {
    hash = 2 * hash + kGearTable[data[at]];
  }
  if (hash < kEnd) return kMinChunk;
  const std::size_t end = std::min(size, kMaxChunk);
  std::size_t at = kMinChunk;
  // Four bytes at a time: every second hash is made from the one before the last, so that two are
  // under way at once, and there is one branch for all four.
  for (; at + 4 <= end; at += 4) {
    const std::uint64_t first = kGearTable[data[at]], second = kGearTable[data[at + 1]];
    const std::uint64_t third = kGearTable[data[at + 2]], fourth = kGearTable[data[at + 3]];
    const std::uint64_t one = 2 * hash + first, two = 4 * hash + (2 * first + second);
    const std::uint64_t three = 2 * two + third;
    hash = 4 * two + (2 * third + fourth);
    if (one < kEnd || two < kEnd || three < kEnd || hash < kEnd) {
      return at + (one < kEnd ? 1 : two < kEnd ? 2 : three < kEnd ? 3 : 4);
    }
  }
  for (; at < end; ++at) {
    hash = 2 * hash + kGearTable[data[at]];
    if (hash < kEnd) return at + 1;
  }
  return size >= kMaxChunk ? kMaxChunk : 0;
}

std::vector<std::size_t> find_ends(const std::uint8_t* data, std::size_t size, bool final) {
  std::vector<std::size_t> ends;
  std::size_t start = 0;
  while (start < size) {
    std::size_t length = chunk_length(data + start, size - start);
    if (length == 0 && final) length = size - start;
    if (length == 0) break;
    start += length;
    ends.push_back(start);
  }
  return ends;
}

// The bytes of a Python object, held while this lives.
class View {
 public:
  explicit View(nb::handle object) {
    if (PyObject_GetBuffer(object.ptr(), &view_, PyBUF_C_CONTIGUOUS) != 0) throw nb::python_error();
  }
  ~View() { PyBuffer_Release(&view_); }
  View(const View&) = delete;
  View& operator=(const View&) = delete;

  const std::uint8_t* data() const { return static_cast<const std::uint8_t*>(view_.buf); }
  std::size_t size() const { return static_cast<std::size_t>(view_.len); }

 private:
  Py_buffer view_;
};

std::vector<std::size_t> cut(nb::handle object, bool final) {
  const View view(object);
  const nb::gil_scoped_release release;
  return find_ends(view.data(), view.size(), final);
}

}  // namespace

}  // namespace graft

NB_MODULE(_chunking, module) {
  module.doc() = "The search for the ends of chunks.";
  module.attr("MIN_CHUNK_BYTES") = graft::kMinChunk;
  module.attr("MAX_CHUNK_BYTES") = graft::kMaxChunk;
  module.def("cut", &graft::cut, "data"_a, "final"_a);
}
