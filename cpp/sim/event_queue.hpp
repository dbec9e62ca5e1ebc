// What is going to happen, in the order of time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace paxledger::sim {

// Invariant: events come out in the order of their time, and of their adding among equals.
class EventQueue {
 public:
  void add(Instant when, std::function<void()> what) {
    heap_.push_back({when, added_++, std::move(what)});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }
  // never() if there is none.
  [[nodiscard]] Instant next() const { return heap_.empty() ? Instant::never() : heap_[0].when; }
  // Precondition: there is one.
  std::function<void()> take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    std::function<void()> what = std::move(heap_.back().what);
    heap_.pop_back();
    return what;
  }

 private:
  struct Planned {
    Instant when;
    std::uint64_t order = 0;
    std::function<void()> what;
  };
  static bool later(const Planned& a, const Planned& b) {
    return std::pair(a.when, a.order) > std::pair(b.when, b.order);
  }

  std::vector<Planned> heap_;
  std::uint64_t added_ = 0;
};

}  // namespace paxledger::sim
