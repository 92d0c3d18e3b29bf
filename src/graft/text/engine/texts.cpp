#include "texts.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <system_error>
#include <thread>

#include "utf8.h"

namespace graft {

std::string_view valid_text(const Strings& texts, std::size_t number, const char* name) {
  const std::string_view text = texts[number];
  const std::size_t invalid = find_invalid_utf8(text);
  if (invalid == std::string_view::npos) return text;
  throw std::invalid_argument(std::string(name) + " " + std::to_string(texts.first + number) +
                              " is not valid UTF-8 at byte " + std::to_string(invalid));
}

std::vector<Block> blocks_of(const Strings& texts, const Strings* pairs) {
  constexpr std::size_t kBytes = 1 << 15;
  constexpr std::size_t kBytesOfRow = 16;  // what a row costs that has none
  std::vector<Block> blocks;
  std::size_t bytes = 0;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < texts.size; ++i) {
    bytes += texts[i].size() + (pairs ? (*pairs)[i].size() : 0) + kBytesOfRow;
    if (bytes < kBytes && i + 1 < texts.size) continue;
    blocks.push_back({blocks.size(), begin, i + 1});
    begin = i + 1;
    bytes = 0;
  }
  return blocks;
}

std::size_t threads_for(const std::vector<Block>& blocks, int threads) {
  const auto allowed = static_cast<std::size_t>(std::max(1, threads));
  return std::max<std::size_t>(1, std::min(blocks.size(), allowed));
}

void each_block(const std::vector<Block>& blocks, std::size_t threads,
                const std::function<void(std::size_t thread, const Block& block)>& work) {
  std::vector<std::exception_ptr> errors(blocks.size());
  std::atomic<std::size_t> next = 0;
  std::atomic<bool> failed = false;
  const auto run = [&](std::size_t thread) {
    for (std::size_t i = next++; i < blocks.size() && !failed; i = next++) {
      try {
        work(thread, blocks[i]);
      } catch (...) {
        errors[i] = std::current_exception();
        failed = true;
      }
    }
  };
  {
    std::vector<std::jthread> others;
    others.reserve(threads - 1);
    try {
      for (std::size_t thread = 1; thread < threads; ++thread) others.emplace_back(run, thread);
    } catch (const std::system_error&) {
      // The system gives no more threads: those that there are take all blocks.
    }
    run(0);
  }
  for (const std::exception_ptr& error : errors) {
    if (error) std::rethrow_exception(error);
  }
}

}  // namespace graft
