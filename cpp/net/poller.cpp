#include "net/poller.hpp"

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "base/invariant.hpp"

namespace paxledger::net {
namespace {

timespec timespec_of(Duration duration) {
  using std::chrono::duration_cast;
  const Duration positive = std::max(duration, Duration::zero());
  const auto whole = duration_cast<std::chrono::seconds>(positive);
  const auto rest = duration_cast<std::chrono::nanoseconds>(positive - whole);
  return {static_cast<std::time_t>(whole.count()), static_cast<long>(rest.count())};
}

}  // namespace

void Poller::add(PolledSocket& socket) {
  items_.push_back({&socket});
  polled_.push_back({socket.descriptor(), POLLIN, 0});
}

void Poller::add(int descriptor) {
  items_.push_back({});
  polled_.push_back({descriptor, POLLIN, 0});
}

void Poller::clear() {
  items_.clear();
  polled_.clear();
}

void Poller::wait(std::optional<Duration> timeout) {
  for (Item& item : items_) {
    item.unread = item.socket != nullptr && !item.socket->settle();
    if (item.unread) timeout = Duration::zero();  // the others are only looked at
  }
  const timespec longest = timespec_of(timeout.value_or(Duration::zero()));
  const int found = ::ppoll(polled_.data(), polled_.size(), timeout ? &longest : nullptr, nullptr);
  if (found >= 0) return;
  invariant(errno == EINTR, "polling fails only when it is interrupted");
  for (pollfd& each : polled_) each.revents = 0;
}

}  // namespace paxledger::net
