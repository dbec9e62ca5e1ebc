#include "ledger/checkpoint.hpp"

#include <gtest/gtest.h>

#include <string>

#include "ledger/block.hpp"

namespace paxledger::ledger {
namespace {

Checkpoint a_checkpoint() {
  Checkpoint checkpoint{ClusterId(0x0123456789abcdef), Height(1234), {}};
  checkpoint.head.octets.fill(0x5a);
  return checkpoint;
}

TEST(Checkpoint, IsReadAsItWasWritten) {
  for (const auto height : {Height(1), Height(1234), Height(UINT64_MAX)}) {
    Checkpoint checkpoint = a_checkpoint();
    checkpoint.height = height;
    const auto octets = decode_checkpoint(encode_checkpoint(checkpoint));
    ASSERT_TRUE(octets.ok()) << octets.error().message;
    EXPECT_EQ(*octets, checkpoint);
    const auto text = parse_checkpoint(to_text(checkpoint));
    ASSERT_TRUE(text.ok()) << text.error().message;
    EXPECT_EQ(*text, checkpoint);
  }
}

TEST(Checkpoint, FitsOnOneLine) {
  std::string head;
  for (int i = 0; i < 32; ++i) head += "5a";
  EXPECT_EQ(to_text(a_checkpoint()), "paxledger/checkpoint/1 0123456789abcdef 1234 " + head);
}

TEST(Checkpoint, HasOneEncodingOfEachKind) {
  const std::string text = to_text(a_checkpoint());
  for (std::size_t at = 0; at < text.size(); ++at) {
    for (const char other : {' ', '0', 'A', 'z', '+', '\0'}) {
      std::string changed = text;
      changed[at] = other;
      const auto read = parse_checkpoint(changed);
      if (read.ok()) {
        EXPECT_EQ(to_text(*read), changed);
      }
    }
    EXPECT_FALSE(parse_checkpoint(text.substr(0, at)).ok());
  }
  EXPECT_FALSE(parse_checkpoint(text + "\n").ok());
  EXPECT_FALSE(parse_checkpoint("").ok());
  const std::string octets = encode_checkpoint(a_checkpoint());
  EXPECT_FALSE(decode_checkpoint(octets + "x").ok());
  for (std::size_t size = 0; size < octets.size(); ++size) {
    EXPECT_FALSE(decode_checkpoint(octets.substr(0, size)).ok());
  }
}

TEST(Checkpoint, AtHeightZeroIsGenesisOrRefused) {
  Checkpoint checkpoint = a_checkpoint();
  checkpoint.height = Height(0);
  EXPECT_FALSE(parse_checkpoint(to_text(checkpoint)).ok());
  EXPECT_FALSE(decode_checkpoint(encode_checkpoint(checkpoint)).ok());
  checkpoint.head = genesis(checkpoint.cluster);
  EXPECT_TRUE(parse_checkpoint(to_text(checkpoint)).ok());
  EXPECT_TRUE(decode_checkpoint(encode_checkpoint(checkpoint)).ok());
}

}  // namespace
}  // namespace paxledger::ledger
