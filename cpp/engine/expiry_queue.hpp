// What stands in which place of a vector, in the order in which its time is over.
#pragma once

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace paxledger::engine {

// A heap that knows where each of its items stands, so that any of them can leave. Times mostly
// rise, so an item mostly comes in at the end. Allocates nothing once it is as large as it gets.
//
// Invariants:
//  1. No item is before its parent, so the first one is before all others.
//  2. items_[at_[place]] is the item of `place`, for each place that is in the queue.
class ExpiryQueue {
 public:
  using Place = std::uint32_t;
  struct Item {
    Instant expires;
    std::uint64_t id = 0;  // decides between equal times
    Place place = 0;
    auto operator<=>(const Item&) const = default;
  };

  [[nodiscard]] bool empty() const { return items_.empty(); }
  // Precondition: !empty().
  [[nodiscard]] const Item& front() const { return items_.front(); }

  // Precondition: nothing of this place is in the queue.
  void add(const Item& item) {
    if (at_.size() <= item.place) at_.resize(std::size_t{item.place} + 1);
    items_.push_back(item);
    rise(items_.size() - 1, item);
  }

  // Precondition: something of this place is in the queue.
  void remove(Place place) {
    const std::size_t at = at_[place];
    const Item last = items_.back();
    items_.pop_back();
    if (at == items_.size()) return;
    if (at > 0 && last < items_[parent(at)]) {
      rise(at, last);
    } else {
      sink(at, last);
    }
  }

 private:
  static constexpr std::size_t kChildren = 4;
  static std::size_t parent(std::size_t at) { return (at - 1) / kChildren; }

  void put(std::size_t at, const Item& item) {
    items_[at] = item;
    at_[item.place] = static_cast<std::uint32_t>(at);
  }
  // Finds the item's place among those above, or below, the free one at `at`.
  void rise(std::size_t at, const Item& item) {
    for (; at > 0 && item < items_[parent(at)]; at = parent(at)) put(at, items_[parent(at)]);
    put(at, item);
  }
  void sink(std::size_t at, const Item& item) {
    for (;;) {
      const std::size_t first = at * kChildren + 1;
      if (first >= items_.size()) break;
      const std::size_t end = std::min(first + kChildren, items_.size());
      std::size_t least = first;
      for (std::size_t child = first + 1; child < end; ++child) {
        if (items_[child] < items_[least]) least = child;
      }
      if (item < items_[least]) break;
      put(at, items_[least]);
      at = least;
    }
    put(at, item);
  }

  std::vector<Item> items_;
  std::vector<std::uint32_t> at_;  // by place
};

}  // namespace paxledger::engine
