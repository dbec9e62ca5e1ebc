#include "kv/session_results.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "base/prng.hpp"

namespace paxledger::kv {
namespace {

CommandResult result_of(std::uint64_t number) {
  return {ErrorCode::ok, Revision(number), {}};
}

TEST(SessionResults, HoldWhatWasKeptUntilItIsAcknowledged) {
  SessionResults results;
  results.keep(Sequence(1), result_of(1));
  results.keep(Sequence(3), result_of(3));
  EXPECT_EQ(results.find(Sequence(1)), result_of(1));
  EXPECT_EQ(results.find(Sequence(3)), result_of(3));
  EXPECT_EQ(results.find(Sequence(2)), std::nullopt);
  EXPECT_EQ(results.count(), 2u);
  results.acknowledge(Sequence(1));
  EXPECT_EQ(results.find(Sequence(1)), std::nullopt);
  EXPECT_EQ(results.find(Sequence(3)), result_of(3));
  EXPECT_EQ(results.count(), 1u);
}

TEST(SessionResults, NeverTakeAnAcknowledgementBack) {
  SessionResults results;
  results.acknowledge(Sequence(10));
  results.acknowledge(Sequence(4));
  EXPECT_EQ(results.acknowledged(), Sequence(10));
  EXPECT_FALSE(results.fits(Sequence(10)));
  EXPECT_TRUE(results.fits(Sequence(11)));
}

TEST(SessionResults, FitTheWindowAboveTheAcknowledgedSequence) {
  SessionResults results;
  EXPECT_TRUE(results.fits(Sequence(kSessionWindow)));
  EXPECT_FALSE(results.fits(Sequence(kSessionWindow + 1)));
  results.acknowledge(Sequence(1));
  EXPECT_TRUE(results.fits(Sequence(kSessionWindow + 1)));
  results.acknowledge(Sequence(UINT64_MAX - 1));
  EXPECT_TRUE(results.fits(Sequence(UINT64_MAX)));
  EXPECT_FALSE(results.fits(Sequence(0)));
}

TEST(SessionResults, TakeAnAcknowledgementFarAheadOfWhatTheyHold) {
  SessionResults results;
  results.keep(Sequence(1), result_of(1));
  results.acknowledge(Sequence(std::uint64_t{1} << 60));
  EXPECT_EQ(results.find(Sequence(1)), std::nullopt);
  const Sequence next = results.acknowledged().next();
  results.keep(next, result_of(2));
  EXPECT_EQ(results.find(next), result_of(2));
}

TEST(SessionResults, BehaveLikeASortedMapUnderAnyOrder) {
  Prng prng(Seed{5});
  SessionResults results;
  std::map<Sequence, CommandResult> plain;
  Sequence acknowledged;
  for (std::uint64_t round = 0; round < 50'000; ++round) {
    const Sequence sequence = acknowledged.plus(1 + prng.below(prng.chance(1, 50) ? 4096 : 40));
    if (!plain.contains(sequence)) {
      results.keep(sequence, result_of(round));
      plain.emplace(sequence, result_of(round));
    }
    if (prng.chance(1, 3)) {
      acknowledged = acknowledged.plus(prng.below(30));
      results.acknowledge(acknowledged);
      plain.erase(plain.begin(), plain.upper_bound(acknowledged));
    }
    const Sequence asked = acknowledged.plus(prng.below(60));
    const auto found = plain.find(asked);
    const auto held = results.find(asked);
    ASSERT_EQ(held.has_value(), found != plain.end()) << "sequence " << asked.value();
    if (held) {
      ASSERT_EQ(*held, found->second);
    }
    ASSERT_EQ(results.count(), plain.size());
    ASSERT_LE(results.room(), std::max<std::size_t>(kResultsLight, 4 * results.count() + 4));
  }
}

// As sessions are in which every place of a table is wanted by many: all sequences a power of two
// apart, from the far end of the window to the near one.
TEST(SessionResults, BehaveLikeASortedMapWhenAllWantOnePlace) {
  Prng prng(Seed{6});
  for (std::uint64_t apart = 1; apart <= kSessionWindow; apart *= 2) {
    SessionResults results;
    std::map<Sequence, CommandResult> plain;
    Sequence acknowledged;
    for (int round = 0; round < 6; ++round) {
      for (std::uint64_t ahead = kSessionWindow; ahead > 0; ahead -= apart) {
        const Sequence sequence = acknowledged.plus(ahead);
        if (plain.contains(sequence)) continue;
        results.keep(sequence, result_of(ahead));
        plain.emplace(sequence, result_of(ahead));
      }
      for (std::uint64_t ahead = 0; ahead <= kSessionWindow + 1; ++ahead) {
        const auto found = plain.find(acknowledged.plus(ahead));
        const auto held = results.find(acknowledged.plus(ahead));
        ASSERT_EQ(held.has_value(), found != plain.end()) << ahead << ", " << apart << " apart";
        if (held) {
          ASSERT_EQ(*held, found->second);
        }
      }
      acknowledged = acknowledged.plus(prng.below(kSessionWindow));
      results.acknowledge(acknowledged);
      plain.erase(plain.begin(), plain.upper_bound(acknowledged));
      ASSERT_EQ(results.count(), plain.size());
    }
  }
}

// What a state is told apart by must not depend on the order in which results came, nor on what was
// there before.
TEST(SessionResults, HaveTheFingerprintOfWhatTheyHoldInAnyOrder) {
  const auto fingerprint = [](const SessionResults& results) {
    StateHasher hasher(Instant(std::chrono::seconds(1)));
    results.hash_into(hasher);
    return hasher.fingerprint();
  };
  Prng prng(Seed{7});
  for (int run = 0; run < 200; ++run) {
    const Sequence acknowledged(1 + prng.below(5000));
    std::vector<Sequence> sequences;
    for (std::uint64_t i = prng.below(200); i > 0; --i) {
      const Sequence sequence = acknowledged.plus(1 + prng.below(run % 2 == 0 ? 300 : 4096));
      if (std::find(sequences.begin(), sequences.end(), sequence) == sequences.end()) {
        sequences.push_back(sequence);
      }
    }
    SessionResults unsorted;
    for (std::uint64_t i = 1; i <= acknowledged.value() && unsorted.fits(Sequence(i)); ++i) {
      unsorted.keep(Sequence(i), result_of(i));
    }
    unsorted.acknowledge(acknowledged);
    for (const Sequence sequence : sequences) unsorted.keep(sequence, result_of(sequence.value()));

    std::sort(sequences.begin(), sequences.end());
    StateHasher expected(Instant(std::chrono::seconds(1)));
    expected.add(acknowledged, sequences.size());
    for (const Sequence sequence : sequences) {
      expected.add(sequence, ErrorCode::ok, Revision(sequence.value()));
    }
    ASSERT_EQ(fingerprint(unsorted), expected.fingerprint()) << "run " << run;
  }
}

TEST(SessionResults, GiveTheirMemoryBackWhenTheyAreAcknowledged) {
  SessionResults results;
  for (std::uint64_t i = 1; i <= kSessionWindow; ++i) results.keep(Sequence(i), result_of(i));
  for (std::uint64_t i = 1; i <= kSessionWindow; ++i) {
    results.acknowledge(Sequence(i));
    ASSERT_LE(results.room(), std::max<std::size_t>(kResultsLight, 4 * results.count()));
  }
  EXPECT_EQ(results.count(), 0u);
}

TEST(SessionResultsDeathTest, KeepOneResultPerSequence) {
  SessionResults results;
  results.keep(Sequence(1), result_of(1));
  EXPECT_DEATH(results.keep(Sequence(1), result_of(2)), "one result per sequence");
  EXPECT_DEATH(results.keep(Sequence(kSessionWindow + 1), result_of(2)), "window");
  // Also behind a place that has become free: all of these want the place of the first.
  results.acknowledge(Sequence(64));
  for (std::uint64_t i = 2; i <= 8; ++i) results.keep(Sequence(64 * i), result_of(i));
  results.acknowledge(Sequence(128));
  EXPECT_DEATH(results.keep(Sequence(192), result_of(2)), "one result per sequence");
  const CommandResult with_value{ErrorCode::ok, {}, SharedBytes::copy_of("v")};
  EXPECT_DEATH(results.keep(Sequence(130), with_value), "no value is kept");
}

}  // namespace
}  // namespace paxledger::kv
