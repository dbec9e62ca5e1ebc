#include "engine/applied_state.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "kv/command.hpp"

namespace paxledger::engine {
namespace {

const ClusterId kCluster = ledger::cluster_id("applied state");

SharedBytes open_session() {
  kv::Command command;
  command.kind = kv::CommandKind::open_session;
  command.session = SessionId(1);
  command.argument = 60'000;
  return SharedBytes(kv::encode_command(command));
}

SharedBytes put(std::uint64_t sequence, const std::string& key, const std::string& value) {
  kv::Command command;
  command.kind = kv::CommandKind::put;
  command.session = SessionId(1);
  command.sequence = Sequence(sequence);
  command.key = key;
  command.value = value;
  return SharedBytes(kv::encode_command(command));
}

AppliedState::Applied apply(AppliedState& state, std::uint64_t time,
                            const std::vector<SharedBytes>& commands) {
  const auto batch = decode_batch(encode_batch(Timestamp(time), 0, commands));
  EXPECT_TRUE(batch.ok());
  return state.apply_batch(*batch);
}

TEST(AppliedState, StartsAtGenesis) {
  const AppliedState state(kCluster);
  EXPECT_EQ(state.height(), Height(0));
  EXPECT_EQ(state.head().hash, ledger::genesis(kCluster));
  EXPECT_EQ(state.hash_at(Height(0)), ledger::genesis(kCluster));
}

TEST(AppliedState, GivesOneResultForEachCommandOfABlock) {
  AppliedState state(kCluster);
  const auto applied = apply(state, 1, {open_session(), put(1, "a", "x"), put(2, "b", "y")});
  ASSERT_EQ(applied.results.size(), 3u);
  EXPECT_EQ(applied.results[2].revision, Revision(2));
  EXPECT_EQ(state.store().find("b")->value.view(), "y");
  EXPECT_EQ(applied.block.header.height, Height(1));
}

TEST(AppliedState, ComesToTheSameFromBatchesAndFromBlocks) {
  AppliedState leader(kCluster);
  AppliedState restored(kCluster);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto applied =
        i == 0 ? apply(leader, 5, {open_session()}) : apply(leader, 5 + i, {put(i, "k", "v")});
    const auto block = ledger::decode_block(SharedBytes(ledger::encode_block(applied.block)));
    ASSERT_TRUE(block.ok());
    const auto again = restored.apply_block(*block);
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->results, applied.results);
  }
  EXPECT_EQ(leader.head(), restored.head());
  EXPECT_EQ(leader.store().revision(), restored.store().revision());
}

TEST(AppliedState, RefusesABlockThatDoesNotLinkAndStaysAsItWas) {
  AppliedState one(kCluster);
  AppliedState two(kCluster);
  apply(one, 1, {open_session()});
  apply(two, 2, {});
  const auto foreign = apply(two, 3, {});
  const auto before = one.head();
  EXPECT_FALSE(one.apply_block(foreign.block).ok());  // right height, other history
  const auto far = apply(two, 4, {});
  EXPECT_FALSE(one.apply_block(far.block).ok());  // a gap
  EXPECT_EQ(one.head(), before);
  EXPECT_EQ(one.store().session_count(), 1u);
}

TEST(AppliedState, NeverLetsTimeFall) {
  AppliedState state(kCluster);
  apply(state, 100, {});
  const auto applied = apply(state, 50, {});
  EXPECT_EQ(applied.block.header.timestamp, Timestamp(100));
  EXPECT_EQ(state.timestamp(), Timestamp(100));
}

TEST(AppliedState, KnowsRecentHeadsAndForgetsOldOnes) {
  AppliedState state(kCluster);
  std::vector<Digest> hashes{state.head().hash};
  for (std::size_t i = 0; i < AppliedState::kRecentHeads + 10; ++i) {
    hashes.push_back(apply(state, i, {}).block.hash);
  }
  const std::uint64_t height = state.height().value();
  EXPECT_EQ(state.hash_at(Height(height)), hashes[height]);
  EXPECT_EQ(state.hash_at(Height(height - AppliedState::kRecentHeads)),
            hashes[height - AppliedState::kRecentHeads]);
  EXPECT_FALSE(state.hash_at(Height(height - AppliedState::kRecentHeads - 1)).has_value());
  EXPECT_FALSE(state.hash_at(Height(height + 1)).has_value());
}

TEST(AppliedState, PutsTheOctetsOfTheClientIntoTheBlock) {
  AppliedState state(kCluster);
  const auto command = open_session();
  const auto applied = apply(state, 1, {command});
  ASSERT_EQ(applied.commands.size(), 1u);
  EXPECT_EQ(applied.commands.front(), command.view());
  const auto split = ledger::split_ops(applied.block.ops.view(), 1);
  ASSERT_TRUE(split.ok());
  EXPECT_EQ(split->front(), command.view());
}

}  // namespace
}  // namespace paxledger::engine
