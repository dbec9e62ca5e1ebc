#include "wire/unpack.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/ids.hpp"
#include "wire/pack.hpp"

namespace paxledger::wire {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

Unpacker reader(std::string octets) {
  return Unpacker(SharedBytes(std::move(octets)));
}

TEST(Unpacker, ReadsWhatWasPacked) {
  std::string octets;
  Packer out(octets);
  out.array(6);
  out.number(0);
  out.number(UINT64_MAX);
  out.boolean(true);
  out.bytes("a\0b"s);
  out.text("words");
  out.id(Slot(7));
  Unpacker in = reader(octets);
  in.array_of(6);
  EXPECT_EQ(in.number(), 0U);
  EXPECT_EQ(in.number(), UINT64_MAX);
  EXPECT_TRUE(in.boolean());
  EXPECT_EQ(in.bytes().view(), "a\0b"s);
  EXPECT_EQ(in.text(5), "words");
  EXPECT_EQ(in.position<Slot>(), Slot(7));
  in.end();
  EXPECT_FALSE(in.failed()) << in.error().message;
}

TEST(Unpacker, SaysWhatItExpectedAndWhere) {
  Unpacker in = reader("\x92\x01\x05"s);
  in.array_of(2);
  in.number();
  in.boolean();
  ASSERT_TRUE(in.failed());
  EXPECT_EQ(in.error().message, "octet 2: expected a boolean, found the integer 5");
  EXPECT_EQ(in.error().code, ErrorCode::bad_request);
}

TEST(Unpacker, StopsAtTheFirstFailureAndKeepsIt) {
  Unpacker in = reader("\xc0\x01\x02"s);
  EXPECT_EQ(in.number(), 0U);
  const std::string first = in.error().message;
  EXPECT_EQ(in.number(), 0U);
  EXPECT_EQ(in.bytes().size(), 0U);
  EXPECT_EQ(in.array(), 0U);
  in.end();
  EXPECT_EQ(in.error().message, first);
}

TEST(Unpacker, BelievesNoDeclaredSize) {
  // Four milliards of items, octets, characters; nothing behind them.
  for (const std::string& head :
       {"\xdd\xff\xff\xff\xff"s, "\xdf\xff\xff\xff\xff"s, "\xc6\xff\xff\xff\xff"s,
        "\xdb\xff\xff\xff\xff"s, "\xc9\xff\xff\xff\xff\x01"s, "\xdc\x0f\xff"s}) {
    Unpacker array = reader(head);
    EXPECT_EQ(array.array(), 0U);
    EXPECT_TRUE(array.failed());
    Unpacker bin = reader(head);
    EXPECT_EQ(bin.bytes().size(), 0U);
    EXPECT_TRUE(bin.failed());
    Unpacker str = reader(head);
    EXPECT_EQ(str.text(100), "");
    EXPECT_TRUE(str.failed());
    Unpacker any = reader(head);
    any.skip();
    EXPECT_TRUE(any.failed());
  }
}

TEST(Unpacker, HoldsValuesToTheirLimits) {
  EXPECT_TRUE([] {
    Unpacker in = reader("\xcd\x01\x00"s);
    in.integer<std::uint8_t>();
    return in;
  }()
                  .failed());
  EXPECT_TRUE([] {
    Unpacker in = reader("\xff"s);
    in.number();
    return in;
  }()
                  .failed());
  EXPECT_TRUE([] {
    Unpacker in = reader(
        "\xa3"
        "abc"s);
    in.text(2);
    return in;
  }()
                  .failed());
  EXPECT_TRUE([] {
    Unpacker in = reader(
        "\xc4\x03"
        "abc"s);
    in.bytes(2);
    return in;
  }()
                  .failed());
  EXPECT_TRUE([] {
    Unpacker in = reader("\xcf\x40\0\0\0\0\0\0\0"s);
    in.position<Slot>();
    return in;
  }()
                  .failed())
      << "a position of 2^62 is over the limit";
  EXPECT_TRUE([] {
    Unpacker in = reader(
        "\xa3"
        "abc"s);
    in.bytes();
    return in;
  }()
                  .failed())
      << "a str is no bin";
  EXPECT_FALSE([] {
    Unpacker in = reader("\xd0\x05"s);
    in.number();
    return in;
  }()
                   .failed())
      << "a signed format may hold what is not negative";
}

TEST(Unpacker, ReadsArrayHeadsOfEverySize) {
  for (const std::string& head : {"\x92"s, "\xdc\x00\x02"s, "\xdd\x00\x00\x00\x02"s}) {
    Unpacker in = reader(head + "\x07\x08"s);
    in.array_of(2);
    EXPECT_EQ(in.number(), 7U);
    EXPECT_EQ(in.number(), 8U);
    in.end();
    EXPECT_FALSE(in.failed());
  }
  Unpacker empty = reader("\x90"s);
  EXPECT_EQ(empty.array(), 0U);
  empty.end();
  EXPECT_FALSE(empty.failed());
}

TEST(Unpacker, ReadsNumbersAndBinsOfEveryWidth) {
  const std::pair<std::string, std::uint64_t> numbers[] = {
      {"\x00"s, 0},
      {"\x7f"s, 127},
      {"\xcc\xff"s, 255},
      {"\xcd\x01\x02"s, 0x0102},
      {"\xce\x81\x02\x03\x04"s, 0x81020304},
      {"\xcf\x81\x02\x03\x04\x05\x06\x07\x08"s, 0x8102030405060708},
      {"\xd3\x01\x02\x03\x04\x05\x06\x07\x08"s, 0x0102030405060708}};
  for (const auto& [octets, value] : numbers) {
    Unpacker in = reader(octets);
    EXPECT_EQ(in.number(), value);
    in.end();
    EXPECT_FALSE(in.failed());
  }
  for (const std::string& head : {"\xc4\x03"s, "\xc5\x00\x03"s, "\xc6\x00\x00\x00\x03"s}) {
    Unpacker in = reader(head + "abc");
    EXPECT_EQ(in.bytes().view(), "abc");
    in.end();
    EXPECT_FALSE(in.failed());
  }
  for (const std::string& head : {"\xa3"s, "\xd9\x03"s, "\xda\x00\x03"s}) {
    Unpacker in = reader(head + "abc");
    EXPECT_EQ(in.text(3), "abc");
    in.end();
    EXPECT_FALSE(in.failed());
  }
}

TEST(Unpacker, RefusesWhatIsNotWhole) {
  for (const std::string& whole : {"\xcc\xff"s, "\xcd\x01\x02"s, "\xce\x81\x02\x03\x04"s,
                                   "\xcf\x81\x02\x03\x04\x05\x06\x07\x08"s, "\xc4\x03\x61\x62\x63"s,
                                   "\xc5\x00\x03\x61\x62\x63"s, "\xc6\x00\x00\x00\x03\x61\x62\x63"s,
                                   "\xdc\x00\x02"s, "\xdd\x00\x00\x00\x02"s, "\xa3\x61\x62\x63"s}) {
    for (std::size_t size = 0; size < whole.size(); ++size) {
      Unpacker number = reader(whole.substr(0, size));
      number.number();
      EXPECT_TRUE(number.failed());
      Unpacker bin = reader(whole.substr(0, size));
      bin.bytes();
      EXPECT_TRUE(bin.failed());
      Unpacker array = reader(whole.substr(0, size));
      array.array();
      EXPECT_TRUE(array.failed());
      Unpacker text = reader(whole.substr(0, size));
      text.text(3);
      EXPECT_TRUE(text.failed());
    }
  }
}

TEST(Unpacker, SkipsWholeValuesWithinTheLimits) {
  Unpacker in = reader("\x93\x01\x81\xa1k\xc0\xc4\x01x\x2a"s);
  in.skip();
  EXPECT_EQ(in.number(), 42U);
  in.end();
  EXPECT_FALSE(in.failed());

  Unpacker deep_enough = reader(std::string(kDepthMax, '\x91') + "\x01");
  deep_enough.skip();
  EXPECT_FALSE(deep_enough.failed());
  Unpacker too_deep = reader(std::string(kDepthMax + 1, '\x91') + "\x01");
  too_deep.skip();
  ASSERT_TRUE(too_deep.failed());
  EXPECT_THAT(too_deep.error().message, HasSubstr("too deep"));
  Unpacker endless = reader(std::string(1'000'000, '\x91'));
  endless.skip();
  EXPECT_TRUE(endless.failed());
  Unpacker wide_map = reader("\xde\x01\x01"s + std::string(2 * 257, '\x01'));
  wide_map.skip();
  EXPECT_TRUE(wide_map.failed());
}

TEST(Unpacker, SharesWhatIsAGoodPartOfTheFrameAndCopiesTheRest) {
  std::string octets;
  Packer out(octets);
  out.array(2);
  out.bytes(std::string(100, 's'));
  out.bytes(std::string(100'000, 'l'));
  const SharedBytes frame(std::move(octets));
  const auto within = [&frame](const SharedBytes& part) {
    return part.view().data() >= frame.view().data() &&
           part.view().data() < frame.view().data() + frame.size();
  };
  Unpacker in(frame);
  in.array_of(2);
  const SharedBytes small = in.bytes();
  const SharedBytes large = in.bytes();
  EXPECT_FALSE(within(small)) << "a small part must not keep a large frame alive";
  EXPECT_TRUE(within(large)) << "a large value is not copied";
  EXPECT_EQ(small.view(), std::string(100, 's'));
}

TEST(Unpacker, DemandsTheEnd) {
  Unpacker in = reader("\x01\x02"s);
  in.number();
  in.end();
  ASSERT_TRUE(in.failed());
  EXPECT_EQ(in.error().message, "octet 1: expected the end of the frame, found further octets: 1");
}

}  // namespace
}  // namespace paxledger::wire
