#include "ledger/chain.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace paxledger::ledger {
namespace {

const ClusterId kCluster = cluster_id("test");

Block extend(Chain& chain, const std::string& command, std::uint64_t microseconds) {
  std::string ops;
  append_le(ops, static_cast<std::uint32_t>(command.size()));
  ops += command;
  return chain.extend(SharedBytes(ops), {command}, Timestamp(microseconds), 0, 0);
}

TEST(Chain, StartsAtTheGenesisOfItsCluster) {
  const Chain chain(kCluster);
  EXPECT_EQ(chain.height(), Height(0));
  EXPECT_EQ(chain.hash(), genesis(kCluster));
}

TEST(Chain, EachBlockNamesTheHashOfTheOneBefore) {
  Chain chain(kCluster);
  const Block first = extend(chain, "a", 10);
  const Block second = extend(chain, "b", 20);
  EXPECT_EQ(first.header.height, Height(1));
  EXPECT_EQ(first.header.previous, genesis(kCluster));
  EXPECT_EQ(second.header.height, Height(2));
  EXPECT_EQ(second.header.previous, first.hash);
  EXPECT_EQ(chain.hash(), second.hash);
  EXPECT_EQ(second.hash, hash_header(second.header));
}

TEST(Chain, TimeNeverFalls) {
  Chain chain(kCluster);
  extend(chain, "a", 100);
  EXPECT_EQ(extend(chain, "b", 50).header.timestamp, Timestamp(100));
  EXPECT_EQ(extend(chain, "c", 101).header.timestamp, Timestamp(101));
}

TEST(Chain, EveryNodeDerivesTheSameBlocks) {
  Chain one(kCluster);
  Chain other(kCluster);
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(extend(one, std::to_string(i), i).hash, extend(other, std::to_string(i), i).hash);
  }
}

TEST(Chain, WhatItDerivesCanBeReadAndAppendedElsewhere) {
  Chain here(kCluster);
  Chain there(kCluster);
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto read = decode_block(SharedBytes(encode_block(extend(here, std::to_string(i), i))));
    ASSERT_TRUE(read.ok()) << read.error().message;
    ASSERT_TRUE(there.append(*read).ok());
    EXPECT_EQ(there.hash(), here.hash());
    EXPECT_EQ(there.height(), here.height());
    EXPECT_EQ(there.timestamp(), here.timestamp());
  }
}

TEST(Chain, RefusesABlockOutOfOrder) {
  Chain here(kCluster);
  const Block first = extend(here, "a", 1);
  const Block second = extend(here, "b", 2);
  Chain there(kCluster);
  const auto skipped = there.append(second);
  ASSERT_FALSE(skipped.ok());
  EXPECT_EQ(skipped.error().code, ErrorCode::damaged);
  EXPECT_EQ(skipped.error().message, "block 2: expected height 1");
  EXPECT_EQ(there.height(), Height(0)) << "a refused block leaves the chain as it was";
  ASSERT_TRUE(there.append(first).ok());
  EXPECT_FALSE(there.append(first).ok()) << "a block is not put on top of itself";
}

TEST(Chain, RefusesABlockOfAnotherHistory) {
  Chain here(kCluster);
  extend(here, "a", 1);
  Chain there(kCluster);
  extend(there, "something else", 1);
  const auto appended = there.append(extend(here, "b", 2));
  ASSERT_FALSE(appended.ok());
  EXPECT_NE(appended.error().message.find("block 2: links to "), std::string::npos);
}

TEST(Chain, RefusesABlockOfAnotherCluster) {
  Chain other(cluster_id("other"));
  Chain chain(kCluster);
  EXPECT_FALSE(chain.append(extend(other, "a", 1)).ok());
}

TEST(Chain, RefusesABlockFromBeforeItsHead) {
  Chain chain(kCluster);
  const Block first = extend(chain, "a", 100);
  Block second;
  second.header.height = Height(2);
  second.header.previous = first.hash;
  second.header.timestamp = Timestamp(99);
  const auto appended = chain.append(second);
  ASSERT_FALSE(appended.ok());
  EXPECT_EQ(appended.error().message,
            "block 2: timestamp 99 is below that of the block before, 100");
}

TEST(Chain, KeepsANonceThatDoesTheWorkAndReplacesOneThatDoesNot) {
  const Digest root = ops_root({"a"});
  std::uint64_t good = find_work(root, 6) + 1;
  while (!has_work(root, good, 6)) ++good;
  std::uint64_t bad = 0;
  while (has_work(root, bad, 6)) ++bad;

  Chain keeping(kCluster);
  EXPECT_EQ(keeping.extend({}, {"a"}, Timestamp(1), 6, good).header.nonce, good);
  Chain replacing(kCluster);
  EXPECT_EQ(replacing.extend({}, {"a"}, Timestamp(1), 6, bad).header.nonce, find_work(root, 6));
}

}  // namespace
}  // namespace paxledger::ledger
