#include "cli/operation_view.hpp"

#include <utility>

#include "base/bytes.hpp"
#include "cli/terminal_text.hpp"
#include "kv/command.hpp"

namespace paxledger::cli {

std::string session_text(SessionId session) {
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) {
    octets.push_back(static_cast<char>(session.value() >> shift & 0xFF));
  }
  return to_hex(octets);
}

Cell operation_cell(std::string_view octets) {
  const auto parsed = kv::parse_command(octets);
  if (!parsed) return {"no command", octets.size()};
  const kv::Command& command = *parsed;
  const std::size_t size = command.key.size() + command.value.size();
  const auto value = [&] { return " \"" + shown(command.value) + "\""; };
  switch (command.kind) {
    case kv::CommandKind::open_session:
      return "open session " + session_text(command.session) + " for " +
             std::to_string(command.argument) + " ms";
    case kv::CommandKind::close_session:
      return "close session " + session_text(command.session);
    case kv::CommandKind::put:
      return {"put " + shown(command.key) + value(), size};
    case kv::CommandKind::remove:
      return {"del " + shown(command.key), size};
    case kv::CommandKind::read:
      return {"read " + shown(command.key), size};
    case kv::CommandKind::compare_and_put:
      return {
          "cas " + shown(command.key) + " revision " + std::to_string(command.argument) + value(),
          size};
  }
  return "no command";
}

std::vector<Cell> operation_cells(const ledger::Block& block) {
  const auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return {"unreadable: " + commands.error().message};
  if (commands->empty()) return {"no-op"};
  std::vector<Cell> cells;
  cells.reserve(commands->size());
  for (const std::string_view command : *commands) cells.push_back(operation_cell(command));
  return cells;
}

Json operation_json(std::string_view octets) {
  Json json;
  const auto parsed = kv::parse_command(octets);
  if (!parsed) {
    json["kind"] = "unknown";
    json["octets_base64"] = to_base64(octets);
    return json;
  }
  const kv::Command& command = *parsed;
  json["kind"] = kv::to_string(command.kind);
  json["session"] = session_text(command.session);
  json["sequence"] = command.sequence.value();
  json["acknowledged"] = command.acknowledged.value();
  if (command.kind == kv::CommandKind::open_session) json["ttl_ms"] = command.argument;
  if (!command.key.empty()) set_octets(json, "key", command.key);
  if (command.kind == kv::CommandKind::compare_and_put) {
    json["expected_revision"] = command.argument;
  }
  const bool writes =
      command.kind == kv::CommandKind::put || command.kind == kv::CommandKind::compare_and_put;
  if (writes) set_octets(json, "value", command.value);
  return json;
}

Json block_view(const ledger::Block& block) {
  Json json;
  json["height"] = block.header.height.value();
  json["time"] = time_text(block.header.timestamp.microseconds());
  json["hash"] = block.hash.hex();
  json["previous"] = block.header.previous.hex();
  json["nonce"] = block.header.nonce;
  json["work_bits"] = block.header.work_bits;
  json["operations"] = Json::array();
  // A block that was read has operations that can be read (ledger::decode_block).
  const auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return json;
  for (const std::string_view command : *commands) {
    json["operations"].push_back(operation_json(command));
  }
  return json;
}

}  // namespace paxledger::cli
