// A chain in one text file, as `paxledger chain export` writes it and `chain verify --history`
// reads it (docs/reference/export-format.md):
//
//   file    := first LF { block LF }*
//   first   := {"paxledger_chain": 1, "cluster": name}
//   block   := {"height": n, "time": text, "hash": hex, "previous": hex, "nonce": n,
//               "work_bits": n, "operations": [text…], "octets": hex}
//
// Every line is a JSON object. Only `octets` (ledger/block.hpp) counts for verification; the rest
// is for people, and is compared with what the octets say. So what it says is a part of the format:
// block_json() may not follow what other commands show.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "cli/json_text.hpp"
#include "ledger/block.hpp"
#include "ledger/chain.hpp"

namespace paxledger::cli {

inline constexpr int kHistoryFormatVersion = 1;

// What a command does, e.g. `put alice "555-0100"`. Octets that are no command are shown as such.
[[nodiscard]] std::string operation_text(std::string_view command);
// The operations of a block; one "no-op" where there are none. Precondition: from decode_block.
[[nodiscard]] std::vector<std::string> operation_texts(const ledger::Block& block);

[[nodiscard]] Json block_json(const ledger::Block& block);

void write_history_head(std::ostream& out, std::string_view cluster);
void write_history_block(std::ostream& out, const ledger::Block& block);

// The first line that is not what was written.
struct HistoryDamage {
  std::uint64_t line = 1;
  std::uint64_t offset = 0;  // at which the line begins
  Height height;             // of the block that belongs there; 0: the file's first line
  std::string text;          // names the line
};

// What stands in a file, up to the damage if there is any.
struct HistorySummary {
  std::string cluster;
  Height height;
  Digest hash;
  std::uint64_t bytes = 0;  // of the blocks
  std::optional<HistoryDamage> damage;
};
// Reads a file to its end or its damage and checks every block and link from genesis on. Errors:
// io.
[[nodiscard]] Result<HistorySummary> verify_history(std::istream& in);

}  // namespace paxledger::cli
