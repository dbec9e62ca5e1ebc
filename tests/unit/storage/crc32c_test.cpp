#include "storage/crc32c.hpp"

#include <gtest/gtest.h>

#include <string>

namespace paxledger::storage {
namespace {

// RFC 3720, appendix B.4.
TEST(Crc32c, GivesThePublishedValues) {
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xFF')), 0x62A8AB43u);
  EXPECT_EQ(crc32c(""), 0u);
}

TEST(Crc32c, ContinuesOverPieces) {
  const std::string octets = "what was written is what is read";
  for (std::size_t cut = 0; cut <= octets.size(); ++cut) {
    EXPECT_EQ(crc32c(octets.substr(cut), crc32c(octets.substr(0, cut))), crc32c(octets));
  }
}

}  // namespace
}  // namespace paxledger::storage
