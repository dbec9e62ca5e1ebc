#include "control/start_plan.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "control/unbegun.hpp"

namespace paxledger::control {
namespace {

enum class Is { data, running, unbegun, nothing };

std::vector<NodeRemains> remains(const std::vector<Is>& nodes) {
  std::vector<NodeRemains> result;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    result.push_back({NodeId(static_cast<std::uint32_t>(i + 1)), nodes[i] == Is::running,
                      nodes[i] == Is::data, nodes[i] == Is::unbegun});
  }
  return result;
}

StartPlan plan(const std::vector<Is>& nodes, const std::set<NodeId>& rejoin = {}) {
  std::set<NodeId> all;
  for (const NodeRemains& of : remains(nodes)) all.insert(of.node);
  return plan_start(remains(nodes), all, rejoin);
}

std::map<std::uint32_t, std::string> flags(const StartPlan& plan) {
  std::map<std::uint32_t, std::string> flags;
  for (const StartPlan::Step& step : plan.steps) flags[step.node.value()] = step.flag;
  return flags;
}

using Flags = std::map<std::uint32_t, std::string>;
constexpr const char* kInitialise = "--initialise";
constexpr const char* kRejoin = "--rejoin";

TEST(StartPlan, ANewClusterBeginsWithAnEmptyHistory) {
  const auto found = plan({Is::nothing, Is::nothing, Is::nothing});
  EXPECT_TRUE(found.is_new);
  EXPECT_EQ(flags(found), (Flags{{1, kInitialise}, {2, kInitialise}, {3, kInitialise}}));
}

TEST(StartPlan, NodesWithDataAreStartedAsTheyAre) {
  EXPECT_EQ(flags(plan({Is::data, Is::data, Is::running})), (Flags{{1, ""}, {2, ""}}));
}

TEST(StartPlan, ANodeThatNeverBeganBeginsAlsoAfterTheOthers) {
  const auto found = plan({Is::data, Is::unbegun, Is::data});
  EXPECT_FALSE(found.is_new);
  EXPECT_EQ(flags(found), (Flags{{1, ""}, {2, kInitialise}, {3, ""}}));
}

TEST(StartPlan, NeverInitialisesANodeThatMayHaveVoted) {
  for (const Is other : {Is::data, Is::running, Is::unbegun}) {
    const auto found = plan({other, Is::nothing, Is::data});
    EXPECT_FALSE(flags(found).contains(2)) << "beside a node in state " << static_cast<int>(other);
    EXPECT_EQ(found.lost, std::vector<NodeId>{NodeId(2)});
  }
  EXPECT_EQ(plan({Is::running, Is::nothing, Is::nothing}).lost.size(), 2u)
      << "directories that were removed under a running node are no new cluster";
}

TEST(StartPlan, RejoinsOnlyTheNodesThatWereNamed) {
  const auto found = plan({Is::data, Is::nothing, Is::data, Is::nothing, Is::data}, {NodeId(2)});
  EXPECT_EQ(flags(found), (Flags{{1, ""}, {2, kRejoin}, {3, ""}, {5, ""}}));
  EXPECT_EQ(found.lost, std::vector<NodeId>{NodeId(4)});
}

// n + 1 - q nodes must have kept their data: two of three, two of four, three of five.
TEST(StartPlan, KnowsWhenTooManyDisksWereLostForARejoin) {
  const auto D = Is::data;
  const auto N = Is::nothing;
  EXPECT_FALSE(plan({D, D, N}).beyond_rejoin);
  EXPECT_TRUE(plan({D, N, N}).beyond_rejoin);
  EXPECT_FALSE(plan({D, D, N, N}).beyond_rejoin);
  EXPECT_TRUE(plan({D, N, N, N}).beyond_rejoin);
  EXPECT_FALSE(plan({D, D, D, N, N}).beyond_rejoin);
  EXPECT_TRUE(plan({D, D, N, N, N}).beyond_rejoin);
}

TEST(StartPlan, StartsNoRejoinThatCannotEnd) {
  const auto found = plan({Is::data, Is::nothing, Is::nothing}, {NodeId(2), NodeId(3)});
  EXPECT_EQ(flags(found), (Flags{{1, ""}}));
  EXPECT_EQ(found.lost.size(), 2u);
}

TEST(StartPlan, NodesAreNamedAsInASentence) {
  EXPECT_EQ(names({NodeId(2)}), "node 2");
  EXPECT_EQ(names({NodeId(2), NodeId(3)}), "nodes 2 and 3");
  EXPECT_EQ(names({NodeId(1), NodeId(2), NodeId(3)}), "nodes 1, 2 and 3");
}

class UnbegunTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "paxledger.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    configuration_.data_dir = pattern;
    configuration_.cluster = "test";
    configuration_.nodes.resize(2);
    configuration_.nodes[0].id = NodeId(1);
    configuration_.nodes[1].id = NodeId(2);
  }
  void TearDown() override { std::filesystem::remove_all(configuration_.data_dir); }

  node::Configuration configuration_;
};

TEST_F(UnbegunTest, OnlyTheWholeMarkOfThisNodeOfThisClusterCounts) {
  EXPECT_FALSE(is_unbegun(configuration_, NodeId(1)));
  ASSERT_TRUE(mark_unbegun(configuration_).ok());
  EXPECT_TRUE(is_unbegun(configuration_, NodeId(1)));
  EXPECT_TRUE(is_unbegun(configuration_, NodeId(2)));

  std::filesystem::resize_file(unbegun_file(configuration_, NodeId(1)), 7);
  EXPECT_FALSE(is_unbegun(configuration_, NodeId(1))) << "a torn file proves nothing";
  std::filesystem::copy_file(unbegun_file(configuration_, NodeId(2)),
                             unbegun_file(configuration_, NodeId(1)),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_FALSE(is_unbegun(configuration_, NodeId(1))) << "the mark of another node";
  configuration_.cluster = "other";
  EXPECT_FALSE(is_unbegun(configuration_, NodeId(2))) << "the mark of another cluster";
}

TEST_F(UnbegunTest, WhatANodeDidNotMakeIsNoData) {
  const auto directory = configuration_.node_directory(NodeId(1));
  EXPECT_FALSE(has_data(configuration_, NodeId(1)));
  std::filesystem::create_directories(directory / "lost+found");
  std::filesystem::create_directories(directory / "log");
  std::ofstream(directory / "lock") << "17\n";
  EXPECT_FALSE(has_data(configuration_, NodeId(1)));
  std::ofstream(directory / "log/1") << "x";
  EXPECT_TRUE(has_data(configuration_, NodeId(1)));
}

TEST_F(UnbegunTest, AnIdentityAloneIsData) {
  const auto directory = configuration_.node_directory(NodeId(1));
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "identity") << "damaged";
  EXPECT_TRUE(has_data(configuration_, NodeId(1)));
}

}  // namespace
}  // namespace paxledger::control
