#include "cli/json_text.hpp"

#include <gtest/gtest.h>

namespace paxledger::cli {
namespace {

using namespace std::string_view_literals;

TEST(Octets, AreTextInJsonWhereTheyAreUtf8AndBase64Elsewhere) {
  Json json;
  set_octets(json, "key", "häuser");
  set_octets(json, "value", "\xff\x00\x01"sv);
  EXPECT_EQ(dump(json), R"({"key":"häuser","value_base64":"/wAB"})");
}

TEST(Utf8, IsNotOverlongNorASurrogateNorCutOff) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a → 𝄞"));
  EXPECT_FALSE(is_utf8("\xc0\x80"));
  EXPECT_FALSE(is_utf8("\xe0\x80\x80"));
  EXPECT_FALSE(is_utf8("\xed\xa0\x80"));
  EXPECT_FALSE(is_utf8("\xf4\x90\x80\x80"));
  EXPECT_FALSE(is_utf8("\xe2\x86"));
  EXPECT_FALSE(is_utf8("\x80"));
}

TEST(Base64, IsThatOfRfc4648) {
  EXPECT_EQ(to_base64(""), "");
  EXPECT_EQ(to_base64("f"), "Zg==");
  EXPECT_EQ(to_base64("fo"), "Zm8=");
  EXPECT_EQ(to_base64("foo"), "Zm9v");
  EXPECT_EQ(to_base64("foob"), "Zm9vYg==");
}

TEST(NodeAnswers, AreReadToleratingWhatIsMissingOrOfAnotherType) {
  const Json json = parse(R"({"height": 7, "role": 3})");
  EXPECT_EQ(get_or(json, "height", std::uint64_t{0}), 7u);
  EXPECT_EQ(get_or(json, "role", std::string("?")), "?");
  EXPECT_EQ(get_or(json, "missing", true), true);
  EXPECT_EQ(get_or(parse("no json"), "height", 5), 5);
}

}  // namespace
}  // namespace paxledger::cli
