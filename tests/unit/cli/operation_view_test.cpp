#include "cli/operation_view.hpp"

#include <gtest/gtest.h>

#include <string>

#include "kv/command.hpp"
#include "ledger/chain.hpp"

namespace paxledger::cli {
namespace {

using namespace std::string_view_literals;
using Kind = kv::CommandKind;

std::string command_of(Kind kind, std::string_view key = {}, std::string_view value = {},
                       std::uint64_t argument = 0) {
  kv::Command command;
  command.kind = kind;
  command.session = SessionId(0xfedcba9876543210);
  command.sequence = Sequence(kind == Kind::open_session ? 0 : 3);
  command.acknowledged = Sequence(kind == Kind::open_session ? 0 : 2);
  command.argument = argument;
  command.key = key;
  command.value = value;
  return kv::encode_command(command);
}

std::string json_of(const std::string& command) {
  return dump(operation_json(command));
}

const std::string kSession = R"("session":"fedcba9876543210",)";
const std::string kThird = kSession + R"("sequence":3,"acknowledged":2)";

TEST(OperationJson, HasTheFieldsOfItsKind) {
  EXPECT_EQ(json_of(command_of(Kind::put, "häuser", "v\n")),
            R"({"kind":"put",)" + kThird + R"(,"key":"häuser","value":"v\n"})");
  EXPECT_EQ(json_of(command_of(Kind::compare_and_put, "k", "v", ~std::uint64_t{0})),
            R"({"kind":"compare_and_put",)" + kThird +
                R"(,"key":"k","expected_revision":18446744073709551615,"value":"v"})");
  EXPECT_EQ(json_of(command_of(Kind::remove, "k")),
            R"({"kind":"remove",)" + kThird + R"(,"key":"k"})");
  EXPECT_EQ(json_of(command_of(Kind::read, "k")), R"({"kind":"read",)" + kThird + R"(,"key":"k"})");
  EXPECT_EQ(
      json_of(command_of(Kind::open_session, {}, {}, 30'000)),
      R"({"kind":"open_session",)" + kSession + R"("sequence":0,"acknowledged":0,"ttl_ms":30000})");
  EXPECT_EQ(json_of(command_of(Kind::close_session)), R"({"kind":"close_session",)" + kThird + "}");
}

TEST(OperationJson, LosesNoOctet) {
  EXPECT_EQ(json_of(command_of(Kind::put, "\xff", "\x00\xfe"sv)),
            R"({"kind":"put",)" + kThird + R"(,"key_base64":"/w==","value_base64":"AP4="})");
  EXPECT_EQ(json_of(command_of(Kind::put, "k", "")),
            R"({"kind":"put",)" + kThird + R"(,"key":"k","value":""})");
  EXPECT_EQ(json_of("garbage"), R"({"kind":"unknown","octets_base64":"Z2FyYmFnZQ=="})");
  const std::string large(1 << 20, 'v');
  EXPECT_EQ(operation_json(command_of(Kind::put, "k", large))["value"].get<std::string>(), large);
}

TEST(OperationCell, ShowsTextAndEscapesTheRest) {
  const Cell put = operation_cell(command_of(Kind::put, "日本", "\x1b[31m\xff"));
  EXPECT_EQ(put.text, "put 日本 \"\\x1b[31m\\xff\"");
  EXPECT_EQ(put.octets, 12u);
  EXPECT_EQ(operation_cell(command_of(Kind::open_session, {}, {}, 30'000)).text,
            "open session fedcba9876543210 for 30000 ms");
  EXPECT_EQ(operation_cell("garbage").text, "no command");
}

TEST(BlockView, OfANoOpHasNoOperations) {
  ledger::Chain chain(ledger::cluster_id("demo"));
  const auto block = chain.extend(SharedBytes(), {}, Timestamp(1'000'000), 0, 0);
  EXPECT_EQ(block_view(block)["operations"], Json::array());
  ASSERT_EQ(operation_cells(block).size(), 1u);
  EXPECT_EQ(operation_cells(block).front().text, "no-op");
}

}  // namespace
}  // namespace paxledger::cli
