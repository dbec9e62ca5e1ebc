#include "ledger/block.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/prng.hpp"
#include "ledger/chain.hpp"
#include "ledger/merkle.hpp"
#include "ledger/sha256.hpp"

namespace paxledger::ledger {
namespace {

using namespace std::string_literals;

std::string ops_of(const std::vector<std::string_view>& commands) {
  std::string ops;
  for (const auto command : commands) {
    append_le(ops, static_cast<std::uint32_t>(command.size()));
    ops += command;
  }
  return ops;
}

Block a_block(const std::vector<std::string_view>& commands, std::uint8_t work_bits = 0) {
  Chain chain(cluster_id("test"));
  return chain.extend(SharedBytes(ops_of(commands)), commands, Timestamp(1'700'000'000'000'000),
                      work_bits, 0);
}

// A block whose header and ops belong together, changed by `change` before it is sealed again.
template <class Change>
std::string sealed(Change change) {
  Block block = a_block({"first", "second"});
  change(block);
  return encode_block(block);
}

Result<Block> decode(std::string octets) {
  return decode_block(SharedBytes(std::move(octets)));
}

TEST(BlockHeader, HasTheLayoutOfItsGrammar) {
  BlockHeader header;
  header.work_bits = 0x02;
  header.op_count = 0x04030201;
  header.height = Height(0x0807060504030201);
  header.timestamp = Timestamp(0x1817161514131211);
  header.nonce = 0x2827262524232221;
  header.previous.octets.fill(0xaa);
  header.ops_root.octets.fill(0xbb);
  EXPECT_EQ(encode_header(header),
            "\x01\x00\x02\x00\x01\x02\x03\x04"
            "\x01\x02\x03\x04\x05\x06\x07\x08"
            "\x11\x12\x13\x14\x15\x16\x17\x18"
            "\x21\x22\x23\x24\x25\x26\x27\x28"s +
                std::string(32, '\xaa') + std::string(32, '\xbb'));
  EXPECT_EQ(encode_header(header).size(), kHeaderBytes);
  EXPECT_EQ(hash_header(header), sha256({"paxledger/block/1\0"s, encode_header(header)}));
}

TEST(Genesis, BelongsToItsCluster) {
  EXPECT_NE(genesis(ClusterId(1)), genesis(ClusterId(2)));
  EXPECT_EQ(genesis(ClusterId(1)), sha256({"paxledger/genesis/1\0\x01\0\0\0\0\0\0\0"s}));
  EXPECT_NE(cluster_id("a"), cluster_id("b"));
}

TEST(Block, IsReadAsItWasWritten) {
  for (const std::vector<std::string_view>& commands :
       {std::vector<std::string_view>{}, {""}, {"one"}, {"one", "", "three", "four", "five"}}) {
    const Block block = a_block(commands);
    const auto read = decode(encode_block(block));
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_EQ(read->header, block.header);
    EXPECT_EQ(read->hash, block.hash);
    EXPECT_EQ(read->ops, block.ops);
    const auto split = split_ops(read->ops.view(), read->header.op_count);
    ASSERT_TRUE(split.ok());
    EXPECT_EQ(*split, commands);
  }
}

TEST(Block, SharesItsOpsWithTheOctetsItCameIn) {
  const SharedBytes octets(encode_block(a_block({"one"})));
  const auto read = decode_block(octets);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->ops.view().data(), octets.view().data() + kHeaderBytes);
}

TEST(Block, ANoOpHasTheRootOfNothing) {
  EXPECT_EQ(a_block({}).header.ops_root, sha256({}));
  EXPECT_EQ(ops_root({"a", "b"}), merkle_node(merkle_leaf("a"), merkle_leaf("b")));
}

TEST(Block, AnyChangedBitIsRefusedOrChangesTheHash) {
  const Block block = a_block({"first", "", "third"}, 4);
  const std::string octets = encode_block(block);
  for (std::size_t bit = 0; bit < octets.size() * 8; ++bit) {
    std::string changed = octets;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    const auto read = decode(changed);
    if (read.ok()) {
      EXPECT_NE(read->hash, block.hash) << "bit " << bit;
    } else {
      EXPECT_EQ(read.error().code, ErrorCode::damaged);
    }
    if (bit / 8 >= kHeaderBytes) {
      EXPECT_FALSE(read.ok()) << "bit " << bit << " of the ops";
    }
  }
}

TEST(Block, AnyTruncationOrAdditionIsRefused) {
  const std::string octets = encode_block(a_block({"first", "second"}));
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_FALSE(decode(octets.substr(0, size)).ok()) << size << " octets";
  }
  EXPECT_FALSE(decode(octets + "x").ok());
}

TEST(Block, SaysWhatIsWrongAndWhere) {
  const auto message = [](const std::string& octets) {
    const auto read = decode(octets);
    return read.ok() ? "no error" : read.error().message;
  };
  EXPECT_EQ(message(sealed([](Block& b) { b.header.format_version = 2; })),
            "block 1: format version 2, expected 1");
  EXPECT_EQ(message(sealed([](Block& b) { b.header.height = Height(0); })),
            "block 0: height 0 is genesis, not a block");
  EXPECT_EQ(message(sealed([](Block& b) { b.header.work_bits = 25; })),
            "block 1: 25 bits of work, expected at most 24");
  EXPECT_EQ(message(sealed([](Block& b) { b.header.op_count = 1; })),
            "block 1: 10 octets follow the last op");
  EXPECT_EQ(message(sealed([](Block& b) { b.header.op_count = 3; })),
            "block 1: ops end within the length of op 2");
  EXPECT_EQ(message(sealed([](Block& b) { b.header.op_count = UINT32_MAX; })),
            "block 1: op count 4294967295 cannot fit into 19 octets of ops");
  EXPECT_NE(message(sealed([](Block& b) {
              b.header.ops_root.octets[0] ^= 1;
            })).find("block 1: ops root "),
            std::string::npos);
  std::string reserved = encode_block(a_block({}));
  reserved[3] = 1;
  EXPECT_EQ(message(reserved), "block 1: the reserved octet is not zero");
}

TEST(Block, RefusesAnOpLongerThanTheBlock) {
  const auto read = decode(sealed([](Block& b) {
    std::string ops = ops_of({"first", "second"});
    ops[3] = '\xff';
    b.ops = SharedBytes(ops);
  }));
  ASSERT_FALSE(read.ok());
  EXPECT_EQ(read.error().message, "block 1: ops end within op 0 of 4278190085 octets");
}

TEST(Block, RandomOctetsAreRefusedWithoutACrash) {
  Prng prng(Seed{2024});
  for (int round = 0; round < 20'000; ++round) {
    std::string octets(prng.below(300), '\0');
    for (char& octet : octets) octet = static_cast<char>(prng.next());
    if (octets.size() >= 4 && prng.chance(3, 4)) octets.replace(0, 4, "\x01\x00\x00\x00"s);
    if (octets.size() >= 8 && prng.chance(1, 2)) octets.replace(4, 4, "\x02\x00\x00\x00"s);
    EXPECT_FALSE(decode(octets).ok());
    (void)split_ops(octets, static_cast<std::uint32_t>(prng.next()));
  }
}

TEST(Work, IsTheSmallestNonceWithEnoughZeroBits) {
  const Digest root = ops_root({"first", "second"});
  for (std::uint8_t bits = 0; bits <= 12; ++bits) {
    const std::uint64_t nonce = find_work(root, bits);
    EXPECT_TRUE(has_work(root, nonce, bits));
    for (std::uint64_t smaller = 0; smaller < nonce; ++smaller) {
      ASSERT_FALSE(has_work(root, smaller, bits)) << smaller << " does " << int{bits} << " bits";
    }
  }
}

TEST(Work, OfNoBitsIsDoneByAnyNonce) {
  EXPECT_EQ(find_work({}, 0), 0u);
  EXPECT_TRUE(has_work({}, 12345, 0));
}

TEST(Work, IsCheckedWhenABlockIsRead) {
  Block block = a_block({"first"}, 8);
  EXPECT_TRUE(decode(encode_block(block)).ok());
  while (has_work(block.header.ops_root, block.header.nonce, 8)) ++block.header.nonce;
  const auto read = decode(encode_block(block));
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().message.find("does not do the work of 8 bits"), std::string::npos);
}

}  // namespace
}  // namespace paxledger::ledger
