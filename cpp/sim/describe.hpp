// Messages, records and commands as one readable line each, for transcripts and traces.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.hpp"
#include "base/digest.hpp"
#include "engine/io.hpp"
#include "engine/status.hpp"
#include "ledger/block.hpp"
#include "paxos/messages.hpp"
#include "paxos/records.hpp"

namespace paxledger::sim {

// e.g. "put alice=555"; octets that are no command are shown as such.
[[nodiscard]] std::string describe_command(std::string_view octets);
// e.g. "[put alice=555, remove bob]" or "[no-op]".
[[nodiscard]] std::string describe_value(const paxos::Value& value);
[[nodiscard]] std::string describe_block(const ledger::Block& block);
// e.g. "Accept ballot=1.1 slot=3 value=[put alice=555] decided=2".
[[nodiscard]] std::string describe(const paxos::Message& message);
// e.g. "accept ballot=1.1 slot=3 value=[put alice=555]".
[[nodiscard]] std::string describe(const paxos::DurableRecord& record);
// e.g. "ok revision=3 value=555".
[[nodiscard]] std::string describe(const engine::Reply& reply);
[[nodiscard]] std::string describe(const engine::Status& status);
// The first eight hexadecimal digits.
[[nodiscard]] std::string brief(const Digest& digest);
[[nodiscard]] std::string name(NodeId node);

}  // namespace paxledger::sim
