// Texts as Arrow has them, and sharing them out over threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace graft {

// Strings laid end to end: string i is data[offsets[i], offsets[i + 1]).
struct Strings {
  const char* data = nullptr;
  const std::int64_t* offsets = nullptr;
  std::size_t size = 0;
  std::size_t first = 0;  // what errors call the first one, where these are a part of all
  std::string_view operator[](std::size_t i) const {
    return {data + offsets[i], static_cast<std::size_t>(offsets[i + 1] - offsets[i])};
  }
};

// String `number`; throws std::invalid_argument, calling it by `name`, where it is not valid UTF-8.
std::string_view valid_text(const Strings& texts, std::size_t number, const char* name);

// Calls read(text) for string `number`; throws as valid_text does, and where `read` finds it too long.
template <typename Read>
void read_text(const Strings& texts, std::size_t number, const char* name, Read read) {
  const std::string_view text = valid_text(texts, number, name);
  try {
    read(text);
  } catch (const std::length_error& error) {
    throw std::invalid_argument(std::string(name) + " " + std::to_string(texts.first + number) + " " +
                                error.what());
  }
}

// A part of the texts that one thread takes at a time.
struct Block {
  std::size_t number = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// Blocks of about as many bytes each; `pairs`, which may be null, are as many as the texts.
std::vector<Block> blocks_of(const Strings& texts, const Strings* pairs);

// How many threads blocks are worth, of those that may be used: at least one.
std::size_t threads_for(const std::vector<Block>& blocks, int threads);

// Calls work(thread, block) for all blocks, on as many threads as said: on this one (0) and on others that
// live no longer than the call. What is thrown stops all, and is thrown here: of several the one for the
// first block, so that it does not depend on the number of threads.
void each_block(const std::vector<Block>& blocks, std::size_t threads,
                const std::function<void(std::size_t thread, const Block& block)>& work);

}  // namespace graft
