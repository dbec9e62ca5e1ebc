#include "node/wakefulness.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <system_error>

namespace paxledger::node {

namespace {

constexpr std::int32_t kAwake = 0;
constexpr std::int32_t kNoRequest = 2'000'000'000;  // what the kernel takes for none: 2,000 s

Error failure(const char* what, const std::string& device) {
  return {ErrorCode::io, std::string("cannot ") + what + " " + device + ": " +
                             std::error_code(errno, std::generic_category()).message()};
}

}  // namespace

Result<Wakefulness> Wakefulness::open(Duration linger, const CpuLatencyFiles& files) {
  const int fd = ::open(files.device.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return failure("open", files.device);
  Wakefulness opened(fd, linger);
  // Both are tried once, so that whoever configured it learns at once if it does nothing.
  if (!opened.request(kAwake) || !opened.request(kNoRequest)) {
    return failure("write to", files.device);
  }
  std::string driver;
  std::ifstream(files.driver) >> driver;
  if (driver.empty() || driver == "none") {
    return Error{ErrorCode::io, "no driver for idle processors obeys " + files.device + " (" +
                                    files.driver + " names none)"};
  }
  return opened;
}

Wakefulness::~Wakefulness() {
  close();
}

void Wakefulness::end_turn(Turn turn, Instant now) {
  if (turn.did_something || turn.awaits_something || awaited_something_) {
    // What was taken once is taken again; and if not, the node is only as fast as without.
    if (rests_at_ == Instant::never()) static_cast<void>(request(kAwake));
    rests_at_ = now + linger_;
  } else if (now >= rests_at_) {
    sleep();
  }
  awaited_something_ = turn.awaits_something;
}

void Wakefulness::sleep() {
  // Closing the device ends a request that cannot be taken back.
  if (rests_at_ != Instant::never() && !request(kNoRequest)) close();
  rests_at_ = Instant::never();
  awaited_something_ = false;
}

bool Wakefulness::request(std::int32_t microseconds) const {
  ssize_t written = 0;
  do {
    written = ::pwrite(fd_, &microseconds, sizeof microseconds, 0);
  } while (written < 0 && errno == EINTR);
  if (written >= 0 && written != sizeof microseconds) errno = EIO;
  return written == sizeof microseconds;
}

void Wakefulness::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

}  // namespace paxledger::node
