// SHA-256 (FIPS 180-4), as every hash of the ledger is made.
//
// Every hash names what it is over, so that octets of one kind can never pass for another:
//
//   tagged(domain, parts) = SHA-256(domain 0x00 parts…)
//
// A domain carries its version ("paxledger/block/1"). Merkle trees use the one-octet domains of
// RFC 6962 instead (0x00 leaf, 0x01 node), which no text domain starts with.
#pragma once

#include <initializer_list>
#include <string_view>

#include "base/digest.hpp"

namespace paxledger::ledger {

// SHA-256 over the parts, one after the other. Any thread may call it.
[[nodiscard]] Digest sha256(std::initializer_list<std::string_view> parts);

// SHA-256 over domain, a zero octet, and the parts. The domain holds no zero octet.
[[nodiscard]] Digest tagged_sha256(std::string_view domain,
                                   std::initializer_list<std::string_view> parts);

}  // namespace paxledger::ledger
