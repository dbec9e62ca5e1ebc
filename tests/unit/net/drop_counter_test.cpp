#include "net/drop_counter.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace paxledger::net {
namespace {

using namespace std::chrono_literals;

TEST(DropCounter, CountsByReason) {
  DropCounter drops;
  drops.count(DropReason::malformed);
  drops.count(DropReason::other_cluster, 3);
  EXPECT_EQ(drops.of(DropReason::malformed), 1U);
  EXPECT_EQ(drops.of(DropReason::other_cluster), 3U);
  EXPECT_EQ(drops.total(), 4U);
}

TEST(DropCounter, HasANameForEveryReason) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kDropReasons; ++i) {
    names.insert(to_string(static_cast<DropReason>(i)));
  }
  EXPECT_EQ(names.size(), kDropReasons);
  EXPECT_FALSE(names.contains("unknown"));
}

TEST(LogPacer, AllowsOneLineASecondAndTellsOfTheOthers) {
  LogPacer pacer;
  EXPECT_EQ(pacer.allow(Instant(5s)), 0U);
  EXPECT_EQ(pacer.allow(Instant(5s)), std::nullopt);
  EXPECT_EQ(pacer.allow(Instant(5s + 999ms)), std::nullopt);
  EXPECT_EQ(pacer.allow(Instant(6s)), 2U);
  EXPECT_EQ(pacer.allow(Instant(6s + 1ms)), std::nullopt);
}

}  // namespace
}  // namespace paxledger::net
