#include "core/memory.h"

#include <algorithm>
#include <new>
#include <numeric>

#include "core/device.h"
#include "core/platform.h"

namespace pyseq {

void* allocate(std::size_t bytes) {
  constexpr std::size_t kHuge = std::size_t{2} << 20;
  const bool large = bytes >= 2 * kHuge;
  void* const data = platform::aligned_memory(std::max<std::size_t>(bytes, 1), large ? kHuge : 64);
  if (!data) throw std::bad_alloc();
  if (large) platform::want_large_pages(data, bytes / kHuge * kHuge);
  return data;
}

void release(void* data) { platform::release_memory(data); }

Arena::Arena(std::size_t bytes, const DeviceTable* device)
    : data_(nullptr), bytes_(round_up(std::max<std::size_t>(bytes, 64))), device_(device) {
  data_ = static_cast<std::byte*>(device ? device->allocate(bytes_) : allocate(bytes_));
}

Arena::~Arena() {
  if (!owned_) return;
  if (device_) device_->release(data_);
  else release(data_);
}

std::size_t place(std::vector<Block>& blocks) {
  std::vector<std::size_t> order(blocks.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return blocks[a].bytes > blocks[b].bytes; });
  std::vector<std::size_t> placed;
  std::size_t total = 0;
  for (const std::size_t i : order) {
    Block& b = blocks[i];
    if (b.last < b.first || b.bytes == 0) continue;
    std::size_t at = 0;
    // `placed` is sorted by offset: the first gap that is wide enough.
    for (const std::size_t j : placed) {
      const Block& p = blocks[j];
      if (p.last < b.first || b.last < p.first) continue;
      if (at + b.bytes <= p.offset) break;
      at = std::max(at, round_up(p.offset + p.bytes));
    }
    b.offset = at;
    total = std::max(total, round_up(at + b.bytes));
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                   [&](std::size_t x, std::size_t y) {
                                     return blocks[x].offset < blocks[y].offset;
                                   }),
                  i);
  }
  return total;
}

}  // namespace pyseq
