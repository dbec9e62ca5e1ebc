#include "base/time.hpp"

#include <gtest/gtest.h>

namespace paxledger {
namespace {

using namespace std::chrono_literals;

TEST(Instant, AddsAndSubtractsDurations) {
  const Instant start{5s};
  EXPECT_EQ((start + 1s).since_origin(), 6s);
  EXPECT_EQ((start - 1s).since_origin(), 4s);
  EXPECT_EQ((start + 3s) - start, 3s);
}

TEST(Instant, NeverIsAfterEverything) {
  EXPECT_GT(Instant::never(), Instant{Duration{24h * 365 * 200}});
  EXPECT_EQ(Instant::never(), Instant::never());
}

TEST(Instant, SaturatesAtNeverInsteadOfWrapping) {
  EXPECT_EQ(Instant::never() + 1ns, Instant::never());
  EXPECT_EQ(Instant{1s} + Duration::max(), Instant::never());
  EXPECT_EQ(Instant::never() + Duration::zero(), Instant::never());
  EXPECT_LT(Instant{0s} + (Duration::max() - 1ns), Instant::never());
}

TEST(Instant, AcceptsDurationsIntoThePast) {
  EXPECT_EQ(Instant{5s} + -2s, Instant{3s});
  EXPECT_LT(Instant::never() + -1ns, Instant::never());
}

TEST(Timestamp, IsOrderedByItsMicroseconds) {
  EXPECT_LT(Timestamp(1), Timestamp(2));
  EXPECT_EQ(Timestamp().microseconds(), 0u);
}

}  // namespace
}  // namespace paxledger
