#include "storage/frame_index.hpp"

#include <algorithm>
#include <iterator>

#include "base/invariant.hpp"

namespace paxledger::storage {

void FrameIndex::add(std::uint64_t offset) {
  invariant(offset <= UINT32_MAX, "a block file is shorter than 4 GiB");
  if (marks_.empty() || offset - marks_.back().offset >= stride_) {
    marks_.push_back({count_, static_cast<std::uint32_t>(offset)});
  }
  ++count_;
}

void FrameIndex::keep(std::size_t count) {
  invariant(count <= count_, "only what is there is kept");
  count_ = static_cast<std::uint32_t>(count);
  while (!marks_.empty() && marks_.back().frame >= count_) marks_.pop_back();
}

FrameIndex::Mark FrameIndex::at_or_before(std::size_t frame) const {
  invariant(frame < count_, "the frame is there");
  const auto after =
      std::upper_bound(marks_.begin(), marks_.end(), frame,
                       [](std::size_t wanted, const Mark& mark) { return wanted < mark.frame; });
  return *std::prev(after);
}

}  // namespace paxledger::storage
