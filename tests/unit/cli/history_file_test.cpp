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

bool is_damaged(const std::string& text) {
  const auto summary = verify(text);
  return summary.ok() && summary->damage.has_value();
}

TEST(History, IsVerifiedFromGenesisToItsHead) {
  const auto summary = verify(history());
  ASSERT_TRUE(summary.ok()) << summary.error().message;
  EXPECT_FALSE(summary->damage) << summary->damage->text;
  EXPECT_EQ(summary->cluster, "demo");
  EXPECT_EQ(summary->height, Height(3));
}

TEST(History, AChangeOfAnyCharacterIsFound) {
  const std::string good = history();
  for (std::size_t i = good.find('\n') + 1; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = bad[i] == '5' ? '6' : '5';
    if (bad == good) continue;
    EXPECT_TRUE(is_damaged(bad)) << "at " << i;
  }
}

TEST(History, MissingAndSwappedBlocksAreFoundWithTheirLine) {
  const std::string good = history();
  std::vector<std::string> lines;
  std::istringstream in(good);
  for (std::string line; std::getline(in, line);) lines.push_back(line + "\n");
  const auto missing = verify(lines[0] + lines[1] + lines[3]);
  ASSERT_TRUE(missing.ok() && missing->damage);
  EXPECT_TRUE(missing->damage->text.starts_with("line 3:"));
  EXPECT_TRUE(is_damaged(lines[0] + lines[2] + lines[1] + lines[3]));
  EXPECT_TRUE(is_damaged(lines[0] + lines[2]));
  EXPECT_TRUE(is_damaged(""));
  EXPECT_TRUE(is_damaged("{}\n"));
}

// The place of the damage, and how far the file is whole before it.
TEST(History, DamageHasItsPlace) {
  std::string text = history();
  const std::size_t third = text.find('\n', text.find('\n') + 1) + 1;
  text[third + 20] ^= 1;
  const auto changed = verify(text);
  ASSERT_TRUE(changed.ok() && changed->damage);
  EXPECT_EQ(changed->damage->line, 3u);
  EXPECT_EQ(changed->damage->offset, third);
  EXPECT_EQ(changed->damage->height, Height(2));
  EXPECT_EQ(changed->height, Height(1));
  EXPECT_GT(changed->bytes, 0u);

  text = history();
  text.resize(text.size() - 9);
  const auto cut = verify(text);
  ASSERT_TRUE(cut.ok() && cut->damage);
  EXPECT_EQ(cut->damage->line, 4u);
  EXPECT_EQ(cut->damage->height, Height(3));
  EXPECT_EQ(cut->height, Height(2));

  const auto other = verify("{}\n");
  ASSERT_TRUE(other.ok() && other->damage);
  EXPECT_EQ(other->damage->line, 1u);
  EXPECT_EQ(other->damage->offset, 0u);
  EXPECT_EQ(other->damage->height, Height(0));
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
