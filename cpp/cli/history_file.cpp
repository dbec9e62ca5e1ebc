#include "cli/history_file.hpp"

#include <istream>
#include <optional>
#include <ostream>
#include <utility>

#include "cli/table.hpp"
#include "kv/command.hpp"

namespace paxledger::cli {
namespace {

constexpr std::size_t kKeyBytesShown = 64;
constexpr std::size_t kValueBytesShown = 32;

std::string hex_of(SessionId session) {
  std::string octets;
  for (int shift = 56; shift >= 0; shift -= 8) {
    octets.push_back(static_cast<char>(session.value() >> shift & 0xFF));
  }
  return to_hex(octets);
}

// Nothing if it is no hexadecimal text.
std::optional<std::string> octets_of(std::string_view hex) {
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  if (hex.size() % 2 != 0) return std::nullopt;
  std::string octets;
  octets.reserve(hex.size() / 2);
  for (std::size_t i = 0; i < hex.size(); i += 2) {
    const int high = digit(hex[i]);
    const int low = digit(hex[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    octets.push_back(static_cast<char>(high << 4 | low));
  }
  return octets;
}

}  // namespace

std::string operation_text(std::string_view octets) {
  const auto parsed = kv::parse_command(octets);
  if (!parsed) return "no command (" + std::to_string(octets.size()) + " bytes)";
  const kv::Command& command = *parsed;
  const std::string key = printable(command.key, kKeyBytesShown);
  const std::string value = "\"" + printable(command.value, kValueBytesShown) + "\"";
  const std::string count =
      command.value.size() > kValueBytesShown ? " (" + size_text(command.value.size()) + ")" : "";
  switch (command.kind) {
    case kv::CommandKind::open_session:
      return "open session " + hex_of(command.session) + " for " +
             std::to_string(command.argument) + " ms";
    case kv::CommandKind::close_session:
      return "close session " + hex_of(command.session);
    case kv::CommandKind::put:
      return "put " + key + " " + value + count;
    case kv::CommandKind::remove:
      return "del " + key;
    case kv::CommandKind::read:
      return "read " + key;
    case kv::CommandKind::compare_and_put:
      return "cas " + key + " revision " + std::to_string(command.argument) + " " + value + count;
  }
  return "no command";
}

std::vector<std::string> operation_texts(const ledger::Block& block) {
  const auto commands = ledger::split_ops(block.ops.view(), block.header.op_count);
  if (!commands) return {"unreadable: " + commands.error().message};
  if (commands->empty()) return {"no-op"};
  std::vector<std::string> texts;
  texts.reserve(commands->size());
  for (const std::string_view command : *commands) texts.push_back(operation_text(command));
  return texts;
}

Json block_json(const ledger::Block& block) {
  Json json;
  json["height"] = block.header.height.value();
  json["time"] = time_text(block.header.timestamp.microseconds());
  json["hash"] = block.hash.hex();
  json["previous"] = block.header.previous.hex();
  json["nonce"] = block.header.nonce;
  json["work_bits"] = block.header.work_bits;
  json["operations"] = operation_texts(block);
  return json;
}

void write_history_head(std::ostream& out, std::string_view cluster) {
  Json json;
  json["paxledger_chain"] = kHistoryFormatVersion;
  json["cluster"] = std::string(cluster);
  out << dump(json) << "\n";
}

void write_history_block(std::ostream& out, const ledger::Block& block) {
  Json json = block_json(block);
  json["octets"] = to_hex(ledger::encode_block(block));
  out << dump(json) << "\n";
}

Result<HistorySummary> verify_history(std::istream& in) {
  HistorySummary summary;
  std::uint64_t line = 1;
  std::uint64_t offset = 0;
  const auto damaged = [&](const std::string& what) {
    const Height height = line == 1 ? Height(0) : summary.height.next();
    summary.damage = {line, offset, height, "line " + std::to_string(line) + ": " + what};
    return summary;
  };
  std::string text;
  if (!std::getline(in, text)) {
    if (in.bad()) return Error{ErrorCode::io, "the file cannot be read"};
    return damaged("the file is empty");
  }
  const Json first = parse(text);
  if (get_or(first, "paxledger_chain", 0) != kHistoryFormatVersion) {
    return damaged("this is no export of a chain, or one of another version");
  }
  summary.cluster = get_or(first, "cluster", std::string());
  ledger::Chain chain(ledger::cluster_id(summary.cluster));
  for (;;) {
    summary.height = chain.height();
    summary.hash = chain.hash();
    offset += text.size() + 1;
    ++line;
    if (!std::getline(in, text)) break;
    const Json json = parse(text);
    const auto octets = octets_of(get_or(json, "octets", std::string("?")));
    if (!octets) return damaged("expected a block with its octets in hexadecimal");
    const auto block = ledger::decode_block(SharedBytes(*octets));
    if (!block) return damaged(block.error().message);
    if (const auto linked = chain.append(*block); !linked) return damaged(linked.error().message);
    Json expected = block_json(*block);
    expected["octets"] = json["octets"];
    if (json != expected) {
      return damaged("the text about block " + std::to_string(block->header.height.value()) +
                     " does not say what its octets say");
    }
    summary.bytes += octets->size();
  }
  if (in.bad()) return Error{ErrorCode::io, "the file cannot be read to its end"};
  return summary;
}

}  // namespace paxledger::cli
