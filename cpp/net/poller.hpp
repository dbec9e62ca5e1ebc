// Waiting for several sockets and descriptors at once.
#pragma once

#include <poll.h>

#include <cstddef>
#include <optional>
#include <vector>

#include "base/time.hpp"
#include "net/polled_socket.hpp"

namespace paxledger::net {

// Level-triggered for whoever uses it: a socket in which a message waits is readable in every
// wait(), however it came to be unread. What is added must outlive its last wait().
//
// One thread owns it, the one that owns the sockets.
class Poller {
 public:
  // What is added is known by its place: 0 for the first one, then 1, …
  void add(PolledSocket& socket);
  void add(int descriptor);
  void clear();

  // Returns when something is readable, when `timeout` is over (nothing: never), or after a signal
  // to the process. One system call, and up to four for each socket that was used since the last
  // wait() and was not read until it had nothing.
  void wait(std::optional<Duration> timeout);

  // After wait(). A socket may turn out to have nothing all the same.
  [[nodiscard]] bool readable(std::size_t place) const {
    return items_[place].unread || (polled_[place].revents & POLLIN) != 0;
  }

 private:
  struct Item {
    PolledSocket* socket = nullptr;
    bool unread = false;  // as the last wait() found before it slept
  };
  std::vector<Item> items_;
  std::vector<pollfd> polled_;  // as long as items_
};

}  // namespace paxledger::net
