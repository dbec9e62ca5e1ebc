#include "net/wakeup.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <system_error>

namespace paxledger::net {

Result<Wakeup> Wakeup::create() {
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) {
    return Error{ErrorCode::io, "cannot create an eventfd: " +
                                    std::error_code(errno, std::generic_category()).message()};
  }
  return Wakeup(fd);
}

Wakeup::~Wakeup() {
  if (fd_ >= 0) ::close(fd_);
}

void Wakeup::wake() const {
  const std::uint64_t one = 1;
  ssize_t written = 0;
  do {
    written = ::write(fd_, &one, sizeof one);
  } while (written < 0 && errno == EINTR);
  // EAGAIN means that the counter is full: the reader has been woken often enough.
  invariant(written == sizeof one || errno == EAGAIN, "an eventfd can be written to");
}

void Wakeup::clear() const {
  std::uint64_t count = 0;
  ssize_t taken = 0;
  do {
    taken = ::read(fd_, &count, sizeof count);
  } while (taken < 0 && errno == EINTR);
  invariant(taken == sizeof count || errno == EAGAIN, "an eventfd can be read from");
}

}  // namespace paxledger::net
