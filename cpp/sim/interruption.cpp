#include "sim/interruption.hpp"

#include <utility>

namespace paxledger::sim {

namespace {

thread_local const std::atomic<bool>* interruption = nullptr;

}  // namespace

Interruptible::Interruptible(const std::atomic<bool>& asked)
    : outer_(std::exchange(interruption, &asked)) {}
Interruptible::~Interruptible() {
  interruption = outer_;
}

void check_interruption() {
  if (interruption != nullptr && interruption->load(std::memory_order_relaxed)) throw Interrupted();
}

}  // namespace paxledger::sim
