// Handing work over to a thread that polls.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "base/result.hpp"

namespace paxledger::net {

// An eventfd: wake() makes fd() readable until clear(). Both may be called from any thread.
class Wakeup {
 public:
  // Errors: io.
  static Result<Wakeup> create();

  Wakeup(Wakeup&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Wakeup& operator=(Wakeup&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  Wakeup(const Wakeup&) = delete;
  Wakeup& operator=(const Wakeup&) = delete;
  ~Wakeup();

  void wake() const;
  void clear() const;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  explicit Wakeup(int fd) : fd_(fd) {}
  int fd_ = -1;
};

// A bounded queue with many writers and one reader, who polls fd() for reading (as a
// zmq_pollitem_t without a socket) and then takes everything at once.
//
// Invariant: whenever the queue is not empty, fd() is readable or a writer is about to make it so.
template <class T>
class Mailbox {
 public:
  // Errors: io.
  static Result<std::unique_ptr<Mailbox>> create(std::size_t items_max) {
    auto wakeup = Wakeup::create();
    if (!wakeup) return wakeup.error();
    return std::make_unique<Mailbox>(std::move(*wakeup), items_max);
  }

  Mailbox(Wakeup wakeup, std::size_t items_max)
      : wakeup_(std::move(wakeup)), items_max_(items_max) {}

  // Any thread. False, and the item is dropped, if the queue is full.
  [[nodiscard]] bool push(T item) {
    {
      const std::lock_guard lock(mutex_);
      if (items_.size() >= items_max_) return false;
      items_.push_back(std::move(item));
      if (items_.size() > 1) return true;  // the reader has been woken already
    }
    wakeup_.wake();
    return true;
  }

  // The reader's thread. Everything that was pushed, in order; may be nothing.
  [[nodiscard]] std::vector<T> take_all() {
    wakeup_.clear();  // first, so that an item pushed from here on wakes again
    std::vector<T> taken;
    const std::lock_guard lock(mutex_);
    taken.swap(items_);
    return taken;
  }

  [[nodiscard]] int fd() const { return wakeup_.fd(); }

 private:
  Wakeup wakeup_;
  const std::size_t items_max_;
  std::mutex mutex_;
  std::vector<T> items_;
};

}  // namespace paxledger::net
