#include "node/client_desk.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::node {
namespace {

using Kind = ClientDesk::Kind;
using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

const net::ConnectionId kAlice{1};
const net::ConnectionId kBob{2};

TEST(ClientDesk, GivesEachRequestAKeyAndFindsTheWayBack) {
  ClientDesk desk(10, 10);
  const auto first = desk.admit(kAlice, 7, Kind::get);
  const auto second = desk.admit(kBob, 7, Kind::scan);  // the same id, of another client
  ASSERT_TRUE(first.ok() && second.ok());
  EXPECT_NE(*first, *second);
  const auto origin = desk.settle(*second);
  ASSERT_TRUE(origin.has_value());
  EXPECT_EQ(origin->connection, kBob);
  EXPECT_EQ(origin->id, 7u);
  EXPECT_EQ(origin->kind, Kind::scan);
  EXPECT_EQ(desk.pending(), 1u);
}

TEST(ClientDesk, SettlesARequestOnce) {
  ClientDesk desk(10, 10);
  const auto key = desk.admit(kAlice, 1, Kind::execute);
  ASSERT_TRUE(key.ok());
  EXPECT_TRUE(desk.settle(*key).has_value());
  EXPECT_FALSE(desk.settle(*key).has_value());
  EXPECT_FALSE(desk.settle(RequestKey(999)).has_value());
}

// What one request leaves behind serves another, of which it must know nothing.
TEST(ClientDesk, BehavesLikeAPlainListOverManyRequests) {
  Prng prng(Seed{9});
  ClientDesk desk(60, 40);
  struct Asked {
    RequestKey key;
    net::ConnectionId connection;
    std::uint64_t id;
    Kind kind;
  };
  std::vector<Asked> plain;
  std::set<RequestKey> settled;
  const auto of_connection = [&plain](net::ConnectionId connection) {
    return std::count_if(plain.begin(), plain.end(),
                         [&](const Asked& asked) { return asked.connection == connection; });
  };
  for (std::uint64_t round = 0; round < 20'000; ++round) {
    if (prng.chance(1, 2)) {
      const net::ConnectionId connection(1 + prng.below(3));
      const Kind kind = prng.chance(1, 4) ? Kind::scan : Kind::execute;
      const bool fits = plain.size() < 60 && of_connection(connection) < 40;
      const auto key = desk.admit(connection, round, kind);
      ASSERT_EQ(key.ok(), fits);
      if (!key) continue;
      ASSERT_FALSE(settled.contains(*key));
      plain.push_back({*key, connection, round, kind});
    } else if (!plain.empty() && prng.chance(1, 100)) {
      ASSERT_EQ(desk.settle_all({Kind::scan}).size(), std::erase_if(plain, [&](const Asked& asked) {
                  if (asked.kind == Kind::scan) settled.insert(asked.key);
                  return asked.kind == Kind::scan;
                }));
    } else if (!plain.empty()) {
      const auto which = plain.begin() + static_cast<std::ptrdiff_t>(prng.below(plain.size()));
      const auto origin = desk.settle(which->key);
      ASSERT_TRUE(origin.has_value());
      ASSERT_EQ(origin->connection, which->connection);
      ASSERT_EQ(origin->id, which->id);
      ASSERT_EQ(origin->kind, which->kind);
      ASSERT_FALSE(desk.settle(which->key).has_value());
      settled.insert(which->key);
      plain.erase(which);
    }
    ASSERT_EQ(desk.pending(), plain.size());
  }
}

TEST(ClientDesk, RefusesMoreThanItsLimitInAll) {
  ClientDesk desk(2, 10);
  const auto first = desk.admit(kAlice, 1, Kind::execute);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(desk.admit(kBob, 1, Kind::execute).ok());
  const auto third = desk.admit(kBob, 2, Kind::execute);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::overloaded);
  EXPECT_NE(third.error().message.find("limits.pending_requests"), std::string::npos);
  ASSERT_TRUE(desk.settle(*first).has_value());
  EXPECT_TRUE(desk.admit(kBob, 3, Kind::execute).ok()) << "an answered request makes room";
}

TEST(ClientDesk, OneConnectionCannotTakeTheWholeDesk) {
  ClientDesk desk(100, 2);
  ASSERT_TRUE(desk.admit(kAlice, 1, Kind::get).ok());
  ASSERT_TRUE(desk.admit(kAlice, 2, Kind::get).ok());
  const auto third = desk.admit(kAlice, 3, Kind::get);
  ASSERT_FALSE(third.ok());
  EXPECT_EQ(third.error().code, ErrorCode::overloaded);
  EXPECT_NE(third.error().message.find("limits.client_outstanding"), std::string::npos);
  EXPECT_TRUE(desk.admit(kBob, 1, Kind::get).ok());
}

TEST(ClientDesk, RemembersNoConnectionWithoutRequests) {
  ClientDesk desk(100'000, 10);
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    const auto key = desk.admit(net::ConnectionId(i), 1, Kind::get);
    ASSERT_TRUE(key.ok());
    ASSERT_TRUE(desk.settle(*key).has_value());
  }
  EXPECT_EQ(desk.connections(), 0u);
  EXPECT_EQ(desk.pending(), 0u);
}

TEST(ClientDesk, SettlesAllOfAKindAtOnce) {
  ClientDesk desk(10, 10);
  ASSERT_TRUE(desk.admit(kAlice, 1, Kind::execute).ok());
  ASSERT_TRUE(desk.admit(kAlice, 2, Kind::get).ok());
  ASSERT_TRUE(desk.admit(kBob, 3, Kind::scan).ok());
  ASSERT_TRUE(desk.admit(kBob, 4, Kind::admin).ok());
  std::set<std::uint64_t> ids;
  for (const auto& origin : desk.settle_all({Kind::get, Kind::scan})) ids.insert(origin.id);
  EXPECT_EQ(ids, (std::set<std::uint64_t>{2, 3}));
  EXPECT_EQ(desk.pending(), 2u);
}

TEST(Deadline, IsTheClientsBudgetWithinBounds) {
  const Instant now(seconds(100));
  EXPECT_EQ(deadline_of(1, now), now + milliseconds(1));
  EXPECT_EQ(deadline_of(250, now), now + milliseconds(250));
  EXPECT_EQ(deadline_of(0, now), now + seconds(5)) << "a client that does not say gets 5 s";
  EXPECT_EQ(deadline_of(0xffff'ffff, now), now + hours(1));
}

TEST(ClientReplies, CarryTheClientsIdAndTheHeight) {
  engine::Reply reply;
  reply.height = Height(12);
  reply.what = kv::CommandResult{ErrorCode::ok, Revision(3), SharedBytes("v")};
  const auto client = to_client_reply({kAlice, 44, Kind::get}, reply);
  const auto& value = std::get<wire::ValueReply>(client);
  EXPECT_EQ(value.id, 44u);
  EXPECT_EQ(value.code, ErrorCode::ok);
  EXPECT_EQ(value.height, Height(12));
  EXPECT_EQ(value.revision, Revision(3));
  EXPECT_EQ(value.value.view(), "v");
}

TEST(ClientReplies, AFailureAlwaysSaysSomethingForPeople) {
  engine::Reply reply;
  reply.what = kv::CommandResult{ErrorCode::no_quorum, {}, {}};
  const auto client = to_client_reply({kAlice, 1, Kind::execute}, reply);
  EXPECT_EQ(std::get<wire::ValueReply>(client).message, "no quorum");
  const auto failure = failure_reply(9, ErrorCode::overloaded, "", Height(2));
  EXPECT_EQ(std::get<wire::ValueReply>(failure).message, "overloaded");
}

TEST(ClientReplies, AScanBecomesAScanReply) {
  engine::Reply reply;
  reply.height = Height(5);
  kv::ScanPage page;
  page.items.push_back({"a", SharedBytes("1"), Revision(1)});
  page.items.push_back({"b", SharedBytes("2"), Revision(2)});
  page.more = true;
  reply.what = std::move(page);
  const auto client = to_client_reply({kAlice, 3, Kind::scan}, std::move(reply));
  const auto& scan = std::get<wire::ScanReply>(client);
  EXPECT_EQ(scan.id, 3u);
  EXPECT_EQ(scan.height, Height(5));
  EXPECT_TRUE(scan.more);
  ASSERT_EQ(scan.items.size(), 2u);
  EXPECT_EQ(scan.items[1].key.view(), "b");
  EXPECT_EQ(scan.items[1].value.view(), "2");
  EXPECT_EQ(scan.items[1].revision, Revision(2));
}

}  // namespace
}  // namespace paxledger::node
