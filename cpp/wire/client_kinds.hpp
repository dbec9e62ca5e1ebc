// The first fields of requests and replies. The numbers stand on the wire and are documented in
// docs/reference/client-protocol.md; none is ever used again for another meaning.
#pragma once

#include <cstdint>

namespace paxledger::wire {

enum class RequestKind : std::uint8_t { execute = 1, get = 2, scan = 3, chain = 4, admin = 5 };
enum class ReplyKind : std::uint8_t { value = 1, scan = 2, chain = 3 };

}  // namespace paxledger::wire
