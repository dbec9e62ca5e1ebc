#include "node/block_reads.hpp"

#include <gtest/gtest.h>

namespace paxledger::node {
namespace {

void fill_with_clients(BlockReads& reads) {
  for (std::uint64_t i = 1; reads.has_room_for_client(); ++i) {
    reads.add_for_client({RequestKey(i), Height(i), 1});
  }
}

TEST(BlockReads, ClientsTakeNoPlaceOfPeers) {
  BlockReads reads;
  fill_with_clients(reads);
  while (reads.next_for_client()) continue;
  for (std::size_t i = 0; i < BlockReads::kPeersMax; ++i) {
    EXPECT_TRUE(reads.begin_for_peer()) << "read " << i << " of a peer finds the places taken";
  }
  EXPECT_FALSE(reads.begin_for_peer());
  reads.end_for_peer();
  EXPECT_TRUE(reads.begin_for_peer());
}

TEST(BlockReads, PeersTakeNoPlaceOfClients) {
  BlockReads reads;
  while (reads.begin_for_peer()) continue;
  ASSERT_TRUE(reads.has_room_for_client());
  reads.add_for_client({RequestKey(1), Height(1), 1});
  EXPECT_TRUE(reads.next_for_client());
}

TEST(BlockReads, OfClientsOnlyAFewAreAheadOfAPeers) {
  BlockReads reads;
  fill_with_clients(reads);
  std::size_t under_way = 0;
  while (reads.next_for_client()) ++under_way;
  EXPECT_EQ(under_way, BlockReads::kClientsAtOnce);
  reads.end_for_client();
  EXPECT_TRUE(reads.next_for_client()) << "the next one begins when one has ended";
  EXPECT_FALSE(reads.next_for_client());
}

TEST(BlockReads, OfClientsAreBoundedAndInOrder) {
  BlockReads reads;
  fill_with_clients(reads);
  std::uint64_t served = 0;
  while (const auto read = reads.next_for_client()) {
    EXPECT_EQ(read->request, RequestKey(++served));
    reads.end_for_client();
  }
  EXPECT_EQ(served, BlockReads::kClientsMax);
  EXPECT_TRUE(reads.has_room_for_client());
}

}  // namespace
}  // namespace paxledger::node
