#pragma once
#include <cstddef>
#include <memory>
#include <vector>

namespace pyseq {

struct DeviceTable;

// Memory at a multiple of 64 bytes, on huge pages where it is large, for `release`. A product of one
// row reads its whole kernel once: at 4 KB a page, looking up the pages would take as long again.
void* allocate(std::size_t bytes);
void release(void* data);

// 64-byte aligned, on huge pages where it is large; touched once, kept. With a device: its memory.
class Arena {
 public:
  explicit Arena(std::size_t bytes, const DeviceTable* device = nullptr);
  // Somebody else's memory, which stays theirs.
  Arena(void* data, std::size_t bytes) : data_(static_cast<std::byte*>(data)), bytes_(bytes), owned_(false) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  std::byte* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  std::size_t bytes_;
  const DeviceTable* device_ = nullptr;
  bool owned_ = true;
};

// A piece of memory wanted from time `first` to time `last`, both included.
struct Block {
  std::size_t bytes = 0;
  int first = 0, last = -1;  // last < first: not wanted
  std::size_t offset = 0;
};

// Gives every block an offset so that blocks wanted at the same time do not overlap; returns the
// bytes needed. Largest first, each at the lowest free place.
std::size_t place(std::vector<Block>& blocks);

inline std::size_t round_up(std::size_t n) { return (n + 63) / 64 * 64; }

}  // namespace pyseq
