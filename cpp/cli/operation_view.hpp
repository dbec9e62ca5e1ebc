// The commands in a block, for people and for programs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "cli/json_text.hpp"
#include "cli/table.hpp"
#include "ledger/block.hpp"

namespace paxledger::cli {

// 16 hexadecimal digits: as a number, a session would not survive in JSON where numbers are
// doubles.
[[nodiscard]] std::string session_text(SessionId session);

// What a command does, e.g. `put alice "555-0100"`, with the size of key and value for where it
// is cut.
[[nodiscard]] Cell operation_cell(std::string_view command);
// The operations of a block; one "no-op" where there are none.
[[nodiscard]] std::vector<Cell> operation_cells(const ledger::Block& block);

// A command as an object: kind, session, sequence, acknowledged, and what its kind has of key,
// value, expected_revision and ttl_ms (docs/guide/command-line.md). Octets that are no command are
// {"kind": "unknown", "octets_base64": …}.
[[nodiscard]] Json operation_json(std::string_view command);
// A block as an object, with all its operations.
[[nodiscard]] Json block_view(const ledger::Block& block);

}  // namespace paxledger::cli
