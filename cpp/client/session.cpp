#include "client/session.hpp"

#include <sys/random.h>

#include "base/invariant.hpp"

namespace paxledger::client {

Sequence Session::take() {
  invariant(has_room(), "a session gives out no sequence beyond its window");
  last_ = last_.next();
  return last_;
}

void Session::settle(Sequence sequence) {
  invariant(sequence > acknowledged_ && sequence <= last_,
            "only a sequence that was given out is settled");
  invariant(!settled_[place_of(sequence)], "a sequence is settled once");
  settled_[place_of(sequence)] = true;
  while (acknowledged_ < last_ && settled_[place_of(acknowledged_.next())]) {
    acknowledged_ = acknowledged_.next();
    settled_[place_of(acknowledged_)] = false;
  }
}

SessionId draw_session_id() {
  std::uint64_t id = 0;
  while (id == 0) {
    // 8 octets are never cut short once the pool is initialised, and getrandom waits for that.
    const auto drawn = getrandom(&id, sizeof id, 0);
    invariant(drawn == static_cast<ssize_t>(sizeof id), "the operating system gives random octets");
  }
  return SessionId(id);
}

}  // namespace paxledger::client
