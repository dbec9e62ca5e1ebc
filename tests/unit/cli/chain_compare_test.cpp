#include "cli/chain_compare.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace paxledger::cli {
namespace {

// Chains whose "hash" at a height names the whole history up to there, as a real hash does.
class Chains {
 public:
  // A chain of `height` blocks that is another one than "a" from block `parts_at` on (0: nowhere).
  void add(std::uint64_t height, char history = 'a', std::uint64_t parts_at = 0) {
    const std::size_t name = chains_.size();
    const auto hash = [=](std::uint64_t at) {
      const bool own = parts_at > 0 && at >= parts_at;
      return std::string(1, own ? history : 'a') + std::to_string(at);
    };
    chains_.push_back(
        {name, Height(height), hash(height), [this, name, hash](Height at) -> Result<std::string> {
           ++questions_;
           if (broken_ == name) return Error{ErrorCode::io, "gone"};
           return hash(at.value());
         }});
  }
  void break_off(std::size_t name) { broken_ = name; }
  [[nodiscard]] Comparison compare() const { return compare_chains(chains_); }
  [[nodiscard]] std::size_t questions() const { return questions_; }

 private:
  std::vector<ComparedChain> chains_;
  std::size_t broken_ = SIZE_MAX;
  std::size_t questions_ = 0;
};

using Names = std::vector<std::size_t>;

TEST(CompareChains, FindsOneHistoryWhateverTheHeights) {
  Chains chains;
  for (const std::uint64_t height : {7u, 100u, 0u, 100u, 99u}) chains.add(height);
  const auto comparison = chains.compare();
  ASSERT_EQ(comparison.histories.size(), 1u);
  EXPECT_EQ(comparison.histories[0].names, (Names{1, 3, 4, 0, 2}));
  EXPECT_TRUE(comparison.unread.empty());
}

TEST(CompareChains, ALaggingChainHidesNoDivergenceOfTwoOthers) {
  for (const std::uint64_t lagging : {0u, 3u, 56u}) {
    Chains chains;
    chains.add(lagging);
    chains.add(900);
    chains.add(1000, 'b', 57);
    const auto comparison = chains.compare();
    ASSERT_EQ(comparison.histories.size(), 2u) << "with a chain of height " << lagging;
    EXPECT_EQ(comparison.histories[1].parts_at, Height(57));
    EXPECT_EQ(comparison.histories[0].parts_at, Height(57));
    // It ends before they part, so it tells nothing about which of them is right.
    for (const History& history : comparison.histories) {
      EXPECT_EQ(history.shared, (Names{0}));
      EXPECT_EQ(history.names.size(), 2u);
    }
  }
}

TEST(CompareChains, NamesWhoAgreesAndWhereTheOthersPart) {
  Chains chains;
  chains.add(500, 'b', 200);
  chains.add(400);
  chains.add(450);
  chains.add(300, 'b', 200);
  chains.add(460);
  chains.add(10, 'c', 1);
  const auto comparison = chains.compare();
  ASSERT_EQ(comparison.histories.size(), 3u);
  EXPECT_EQ(comparison.histories[0].names, (Names{4, 2, 1})) << "most chains first";
  EXPECT_EQ(comparison.histories[1].names, (Names{0, 3}));
  EXPECT_EQ(comparison.histories[1].parts_at, Height(200));
  EXPECT_EQ(comparison.histories[1].hash, "b200");
  EXPECT_EQ(comparison.histories[1].other_hash, "a200");
  EXPECT_EQ(comparison.histories[2].names, (Names{5}));
  EXPECT_EQ(comparison.histories[2].parts_at, Height(1));
}

TEST(CompareChains, FindsEveryPartingBlock) {
  for (std::uint64_t at = 1; at <= 33; ++at) {
    Chains chains;
    chains.add(33);
    chains.add(40, 'b', at);
    const auto comparison = chains.compare();
    ASSERT_EQ(comparison.histories.size(), 2u);
    EXPECT_EQ(comparison.histories[1].parts_at, Height(at));
  }
}

TEST(CompareChains, AsksFewQuestionsAboutLongChains) {
  Chains chains;
  chains.add(1'000'000'000);
  chains.add(1'000'000'001, 'b', 123'456'789);
  EXPECT_EQ(chains.compare().histories[1].parts_at, Height(123'456'789));
  EXPECT_LE(chains.questions(), 70u);
}

TEST(CompareChains, LeavesOutWhatCannotBeReadAndStillComparesTheRest) {
  Chains chains;
  chains.add(1000);
  chains.add(900);
  chains.add(800, 'b', 9);
  chains.break_off(0);
  const auto comparison = chains.compare();
  ASSERT_EQ(comparison.unread.size(), 1u);
  EXPECT_EQ(comparison.unread[0].first, 0u);
  EXPECT_EQ(comparison.unread[0].second.message, "gone");
  ASSERT_EQ(comparison.histories.size(), 2u);
  EXPECT_EQ(comparison.histories[1].parts_at, Height(9));
}

}  // namespace
}  // namespace paxledger::cli
