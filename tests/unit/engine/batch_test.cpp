#include "engine/batch.hpp"

#include <gtest/gtest.h>

#include <string>

namespace paxledger::engine {
namespace {

SharedBytes sample(std::uint8_t work_bits = 0) {
  return encode_batch(Timestamp(77), work_bits, {SharedBytes("one"), SharedBytes("three")});
}

TEST(Batch, ComesBackAsItWasEncoded) {
  const auto batch = decode_batch(sample());
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->timestamp, Timestamp(77));
  EXPECT_EQ(batch->commands, (std::vector<std::string_view>{"one", "three"}));
  EXPECT_EQ(batch->nonce, 0u);
}

TEST(Batch, KeepsTheOctetsOfCommandsAsTheyCame) {
  const std::string odd("\x00\xff\n", 3);
  const auto batch = decode_batch(encode_batch(Timestamp(1), 0, {SharedBytes(odd)}));
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->commands.front(), odd);
}

TEST(Batch, WithoutCommandsIsANoOp) {
  const auto octets = encode_batch(Timestamp(1), 0, {});
  EXPECT_EQ(octets.size(), kBatchHeaderBytes);
  const auto batch = decode_batch(octets);
  ASSERT_TRUE(batch.ok());
  EXPECT_TRUE(batch->commands.empty());
}

TEST(Batch, CarriesTheProofOfWorkThatItStates) {
  const auto batch = decode_batch(sample(6));
  ASSERT_TRUE(batch.ok());
  EXPECT_EQ(batch->work_bits, 6);
}

TEST(Batch, IsRefusedWithoutTheProofOfWorkThatItStates) {
  std::string octets(sample(12).view());
  octets[16] = static_cast<char>(octets[16] + 1);  // the nonce
  EXPECT_FALSE(decode_batch(SharedBytes(octets)).ok());
}

TEST(Batch, IsRefusedAtEveryTruncation) {
  const std::string whole(sample().view());
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_FALSE(decode_batch(SharedBytes(whole.substr(0, length))).ok()) << length;
  }
}

TEST(Batch, IsRefusedWithOctetsThatBelongToNoCommand) {
  EXPECT_FALSE(decode_batch(SharedBytes(std::string(sample().view()) + "x")).ok());
}

TEST(Batch, IsRefusedWithACountOfCommandsThatIsNotTrue) {
  for (const char count : {'\x01', '\x03', '\x7f'}) {
    std::string octets(sample().view());
    octets[4] = count;
    EXPECT_FALSE(decode_batch(SharedBytes(octets)).ok());
  }
  std::string huge(sample().view());
  huge.replace(4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode_batch(SharedBytes(huge)).ok());
}

TEST(Batch, IsRefusedInAnUnknownVersion) {
  std::string octets(sample().view());
  octets[0] = 2;
  EXPECT_FALSE(decode_batch(SharedBytes(octets)).ok());
}

}  // namespace
}  // namespace paxledger::engine
