#include "base/bytes.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "base/digest.hpp"

namespace paxledger {
namespace {

using namespace std::string_literals;

TEST(SharedBytes, CopiesShareTheOctets) {
  const SharedBytes whole = SharedBytes::copy_of("some octets");
  const SharedBytes copy = whole;
  EXPECT_EQ(copy.view().data(), whole.view().data());
}

TEST(SharedBytes, SlicesShareTheOctets) {
  const SharedBytes whole = SharedBytes::copy_of("header and body");
  EXPECT_EQ(whole.slice(0, 6).view(), "header");
  EXPECT_EQ(whole.slice(11).view(), "body");
  EXPECT_EQ(whole.slice(11).view().data(), whole.view().data() + 11);
  EXPECT_EQ(whole.slice(11).slice(1, 2).view(), "od") << "a slice of a slice counts from the slice";
}

TEST(SharedBytes, ASliceOutlivesWhatItWasCutFrom) {
  SharedBytes slice;
  {
    const SharedBytes whole = SharedBytes::copy_of(std::string(1000, 'x') + "tail");
    slice = whole.slice(1000);
  }
  EXPECT_EQ(slice.view(), "tail");
}

TEST(SharedBytes, IsEmptyUnlessGivenOctets) {
  EXPECT_TRUE(SharedBytes().empty());
  EXPECT_TRUE(SharedBytes::copy_of("x").slice(1).empty());
  EXPECT_EQ(SharedBytes(), SharedBytes::copy_of(""));
}

TEST(SharedBytes, AreEqualByTheirOctets) {
  EXPECT_EQ(SharedBytes::copy_of("abc"), SharedBytes::copy_of("xabc").slice(1));
  EXPECT_FALSE(SharedBytes::copy_of("abc") == SharedBytes::copy_of("abd"));
}

TEST(LittleEndian, PutsTheLeastOctetFirst) {
  std::string octets;
  append_le(octets, std::uint32_t{0x01020304});
  append_le(octets, std::uint16_t{0xfffe});
  EXPECT_EQ(octets, "\x04\x03\x02\x01\xfe\xff"s);
}

TEST(LittleEndian, ReadsWhatItWrote) {
  for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{0x8000000000000080},
                                    std::uint64_t{0x0123456789abcdef}, UINT64_MAX}) {
    std::string octets = "?";
    append_le(octets, value);
    EXPECT_EQ(read_le<std::uint64_t>(octets, 1), value);
    EXPECT_EQ(read_le<std::uint8_t>(octets, 1), value & 0xff);
  }
}

TEST(Hex, GivesTwoLowerCaseDigitsPerOctet) {
  EXPECT_EQ(to_hex("\x00\x7f\xff\n"s), "007fff0a");
  EXPECT_EQ(to_hex(""), "");
}

TEST(Printable, ShowsAsciiAsItIsAndEscapesTheRest) {
  EXPECT_EQ(printable("plain text"), "plain text");
  EXPECT_EQ(printable("a\n\x00\x80\xff"s + "b"), "a\\x0a\\x00\\x80\\xffb");
}

TEST(Printable, EscapesTheBackslashSoThatOutputIsUnambiguous) {
  EXPECT_EQ(printable("\\x0a"), "\\x5cx0a");
}

TEST(Printable, CutsAtItsLimitAndSaysSo) {
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable(std::string(65, 'x')), std::string(64, 'x') + "…");
}

TEST(Digest, ComparesAndPrintsItsOctets) {
  Digest digest = Digest::from(std::string(31, '\0') + "\x01");
  EXPECT_EQ(digest.hex(), std::string(62, '0') + "01");
  EXPECT_LT(Digest(), digest);
  EXPECT_EQ(Digest::from(digest.view()), digest);
}

}  // namespace
}  // namespace paxledger
