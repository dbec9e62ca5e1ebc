#include "cli/history_file.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

#include "kv/command.hpp"

namespace paxledger::cli {
namespace {

std::string put_command(std::string_view key, std::string_view value) {
  kv::Command command;
  command.kind = kv::CommandKind::put;
  command.session = SessionId(7);
  command.sequence = Sequence(1);
  command.key = key;
  command.value = value;
  return kv::encode_command(command);
}

// A history of three blocks, one put in each.
std::string history() {
  std::ostringstream out;
  write_history_head(out, "demo");
  ledger::Chain chain(ledger::cluster_id("demo"));
  for (int i = 1; i <= 3; ++i) {
    const std::string command = put_command("key" + std::to_string(i), "value");
    std::string ops;
    append_le(ops, static_cast<std::uint32_t>(command.size()));
    ops += command;
    write_history_block(out, chain.extend(SharedBytes(ops), {command}, Timestamp(1'000'000), 0, 0));
  }
  return out.str();
}

Result<HistorySummary> verify(const std::string& text) {
  std::istringstream in(text);
  return verify_history(in);
}

TEST(History, IsVerifiedFromGenesisToItsHead) {
  const auto summary = verify(history());
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_EQ(summary->cluster, "demo");
  EXPECT_EQ(summary->height, Height(3));
}

TEST(History, AChangeOfAnyCharacterIsFound) {
  const std::string good = history();
  for (std::size_t i = good.find('\n') + 1; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '5' ? '6' : '5';
    if (bad == good) continue;
    EXPECT_FALSE(verify(bad).ok()) << "at " << i;
  }
}

TEST(History, MissingAndSwappedBlocksAreFoundWithTheirLine) {
  const std::string good = history();
  std::vector<std::string> lines;
  std::istringstream in(good);
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  const auto missing = verify(lines[0] + lines[1] + lines[3]);
  ASSERT_FALSE(missing.ok());
  EXPECT_TRUE(missing.error().message.starts_with("line 3:"));
  EXPECT_FALSE(verify(lines[0] + lines[2] + lines[1] + lines[3]).ok());
  EXPECT_FALSE(verify(lines[0] + lines[2]).ok());
  EXPECT_FALSE(verify("").ok());
  EXPECT_FALSE(verify("{}\n").ok());
}

TEST(Operation, IsShownReadably) {
  EXPECT_EQ(operation_text(put_command("alice", "555-0100")), "put alice \"555-0100\"");
  EXPECT_EQ(operation_text(put_command("a\n", std::string(1, '\xff'))), "put a\\x0a \"\\xff\"");
  EXPECT_EQ(operation_text("garbage"), "no command (7 bytes)");
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = SessionId(0x1234);
  command.argument = 30'000;
  EXPECT_EQ(operation_text(kv::encode_command(command)),
            "open session 0000000000001234 for 30000 ms");
}

}  // namespace
}  // namespace paxledger::cli
