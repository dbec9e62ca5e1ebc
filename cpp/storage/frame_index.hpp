// Where the frames of a block file begin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace paxledger::storage {

// Knows the place of about one frame in each 64 KiB, from which others are found by the lengths in
// the frames between: what it takes follows the octets of the history, and not the number of its
// blocks.
//
// Invariants:
//  1. Frame 0 is marked, and so is every frame that begins `stride` octets or more after the mark
//     before it. So a frame begins less than `stride` octets after at_or_before() of it.
//  2. Marks rise, in frames and in offsets.
// Not thread-safe.
class FrameIndex {
 public:
  static constexpr std::uint64_t kStrideBytes = std::uint64_t{64} << 10;

  struct Mark {
    std::uint32_t frame = 0;   // its number in the file, from 0
    std::uint32_t offset = 0;  // in the file, which is shorter than 4 GiB
  };

  // A stride of 0 marks every frame.
  explicit FrameIndex(std::uint64_t stride = kStrideBytes) : stride_(stride) {}

  // Frame number count() begins at `offset`.
  void add(std::uint64_t offset);
  // Forgets the frames from number `count` on. Precondition: count <= count().
  void keep(std::size_t count);

  [[nodiscard]] std::size_t count() const { return count_; }
  // The nearest mark that is not above. Precondition: frame < count().
  [[nodiscard]] Mark at_or_before(std::size_t frame) const;
  [[nodiscard]] std::span<const Mark> marks() const { return marks_; }

 private:
  std::uint64_t stride_;
  std::uint32_t count_ = 0;
  std::vector<Mark> marks_;
};

}  // namespace paxledger::storage
