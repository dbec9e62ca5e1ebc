// The records of the write-ahead log as octets.
//
//   record     := kind:u8 body
//   promise    := kind=1 round:u64 node:u32
//   accept     := kind=2 round:u64 node:u32 slot:u64 value:octets      (to the end of the record)
//   generation := kind=3 node:u32 generation:u32
//   abstain    := kind=4 through:u64 open:u8                           (open: 0 or 1)
//
// All integers are little-endian. Each record has one encoding; its length is told by whatever
// frames it. What is damaged is the business of checksums around it: a record that does not decode
// although its checksum is right was written by another program.
#pragma once

#include <string>

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "paxos/records.hpp"

namespace paxledger::wire {

void append_log_record(std::string& out, const paxos::DurableRecord& record);

// The value of an accept shares the octets. Errors: damaged.
[[nodiscard]] Result<paxos::DurableRecord> decode_log_record(const SharedBytes& octets);

// About the octets that append_log_record would add.
[[nodiscard]] std::size_t log_record_bytes(const paxos::DurableRecord& record);

}  // namespace paxledger::wire
