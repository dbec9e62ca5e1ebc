#include "cli/histogram.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::cli {
namespace {

using std::chrono::microseconds;

TEST(Histogram, OfNothingIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.percentile(0.99), Duration::zero());
  EXPECT_EQ(histogram.mean(), Duration::zero());
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int i = 1; i <= 50; ++i) histogram.record(microseconds(i));
  EXPECT_EQ(histogram.percentile(0.5), microseconds(25));
  EXPECT_EQ(histogram.percentile(1), microseconds(50));
  EXPECT_EQ(histogram.percentile(0), microseconds(1));
}

TEST(Histogram, PercentilesAreNeverTooSmallAndHardlyTooLarge) {
  Prng prng(Seed{1});
  Histogram histogram;
  std::vector<std::uint64_t> values;
  for (int i = 0; i < 10'000; ++i) {
    values.push_back(prng.below(std::uint64_t{1} << (1 + prng.below(30))));
    histogram.record(microseconds(static_cast<std::int64_t>(values.back())));
  }
  std::sort(values.begin(), values.end());
  for (const double fraction : {0.01, 0.1, 0.5, 0.9, 0.99, 0.999}) {
    const auto index = static_cast<std::size_t>(fraction * 10'000) - 1;
    const auto exact = static_cast<double>(values[index]);
    const auto found = std::chrono::duration<double, std::micro>(histogram.percentile(fraction));
    EXPECT_GE(found.count(), exact);
    EXPECT_LE(found.count(), exact * 1.016 + 1);
  }
}

TEST(Histogram, TakesAnyDuration) {
  Histogram histogram;
  histogram.record(Duration::max());
  histogram.record(Duration(-5));
  EXPECT_EQ(histogram.count(), 2u);
  EXPECT_EQ(histogram.max(), Duration::max());
}

}  // namespace
}  // namespace paxledger::cli
