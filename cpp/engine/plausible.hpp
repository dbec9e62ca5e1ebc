// Messages that no correct node sends.
#pragma once

#include "base/ids.hpp"
#include "paxos/membership.hpp"
#include "paxos/messages.hpp"

namespace paxledger::engine {

// Whether a correct node could have sent `message`. A peer that is out of its mind (memory gone
// bad, a bug, another version) may say anything; what is refused here could do lasting harm:
// positions from which one cannot count on, rounds and generations that leave no higher ones, names
// of strangers, parts of reports that lead round in a circle. Lies that could be true are not
// found.
[[nodiscard]] bool is_plausible(const paxos::Message& message, NodeId from,
                                const paxos::Membership& membership);

}  // namespace paxledger::engine
