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

// Cuts bytes that come in pieces; all it keeps is the length and the hash of the chunk that goes on.
class Chunker {
 public:
  // Where in `data`, which follows what was fed before, chunks end.
  std::vector<std::size_t> feed(const std::uint8_t* data, std::size_t size) {
    std::vector<std::size_t> ends;
    std::size_t at = 0;
    while (at < size) {
      at += step(data + at, size - at);
      if (length_ == 0) ends.push_back(at);
    }
    return ends;
  }

 private:
  // Goes on to the end of the chunk, or of the data; answers how far that is.
  std::size_t step(const std::uint8_t* data, std::size_t size) {
    // No chunk ends before its least length: hashing begins as late as gives the same hash there.
    std::size_t at = 0;
    if (length_ < kMinChunk - kWindow) at = std::min(size, kMinChunk - kWindow - length_);
    const std::size_t silent = length_ + at < kMinChunk - 1 ? kMinChunk - 1 - length_ : at;
    for (; at < std::min(size, silent); ++at) hash_ = 2 * hash_ + kGearTable[data[at]];
    const std::size_t end = std::min(size, kMaxChunk - length_);
    if (at < end) at = search(data, at, end);
    length_ = found_ || length_ + at == kMaxChunk ? 0 : length_ + at;
    if (length_ == 0) hash_ = 0;
    found_ = false;
    return at;
  }

  // The place behind the first byte from `at` on at which the hash ends a chunk; `end` if there is
  // none.
  std::size_t search(const std::uint8_t* data, std::size_t at, std::size_t end) {
    std::uint64_t hash = hash_;
    // Four bytes at a time: every second hash is made from the one before the last, so that two are
    // under way at once, and there is one branch for all four.
    for (; at + 4 <= end; at += 4) {
      const std::uint64_t first = kGearTable[data[at]], second = kGearTable[data[at + 1]];
      const std::uint64_t third = kGearTable[data[at + 2]], fourth = kGearTable[data[at + 3]];
      const std::uint64_t one = 2 * hash + first, two = 4 * hash + (2 * first + second);
      const std::uint64_t three = 2 * two + third;
      hash = 4 * two + (2 * third + fourth);
      if (one < kEnd || two < kEnd || three < kEnd || hash < kEnd) {
        found_ = true;
        return at + (one < kEnd ? 1 : two < kEnd ? 2 : three < kEnd ? 3 : 4);
      }
    }
    for (; at < end; ++at) {
      hash = 2 * hash + kGearTable[data[at]];
      if (hash < kEnd) {
        found_ = true;
        return at + 1;
      }
    }
    hash_ = hash;
    return end;
  }

  std::uint64_t hash_ = 0;
  std::size_t length_ = 0;
  bool found_ = false;
};

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

std::vector<std::size_t> feed(Chunker& chunker, nb::handle object) {
  const View view(object);
  const nb::gil_scoped_release release;
  return chunker.feed(view.data(), view.size());
}

}  // namespace

}  // namespace graft

NB_MODULE(_chunking, module) {
  module.doc() = "The search for the ends of chunks.";
  module.attr("MIN_CHUNK_BYTES") = graft::kMinChunk;
  module.attr("MAX_CHUNK_BYTES") = graft::kMaxChunk;
  nb::class_<graft::Chunker>(module, "Chunker")
      .def(nb::init<>())
      .def("feed", &graft::feed, "data"_a);
}
