#include "wire/log_record.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace paxledger::wire {
namespace {

using paxos::AbstainRecord;
using paxos::AcceptRecord;
using paxos::Ballot;
using paxos::DurableRecord;
using paxos::GenerationRecord;
using paxos::PromiseRecord;

std::string encoded(const DurableRecord& record) {
  std::string octets;
  append_log_record(octets, record);
  return octets;
}

const std::vector<DurableRecord> kOneOfEach{
    PromiseRecord{{Round(0x0102030405060708), NodeId(9)}},
    AcceptRecord{{Round(7), NodeId(2)}, Slot(11), SharedBytes::copy_of("value")},
    GenerationRecord{NodeId(3), Generation(4)},
    AbstainRecord{Slot(17), true},
};

TEST(LogRecord, HasTheDocumentedOctets) {
  EXPECT_EQ(to_hex(encoded(kOneOfEach[0])),
            "01"
            "0807060504030201"
            "09000000");
  EXPECT_EQ(to_hex(encoded(kOneOfEach[1])),
            "02"
            "0700000000000000"
            "02000000"
            "0b00000000000000"
            "76616c7565");
  EXPECT_EQ(to_hex(encoded(kOneOfEach[2])),
            "03"
            "03000000"
            "04000000");
  EXPECT_EQ(to_hex(encoded(kOneOfEach[3])),
            "04"
            "1100000000000000"
            "01");
}

TEST(LogRecord, ComesBackAsItWas) {
  for (const DurableRecord& record : kOneOfEach) {
    const std::string octets = encoded(record);
    const auto decoded = decode_log_record(SharedBytes(octets));
    ASSERT_TRUE(decoded.ok()) << decoded.error().message;
    EXPECT_EQ(encoded(*decoded), octets);
    EXPECT_EQ(decoded->index(), record.index());
  }
}

TEST(LogRecord, RefusesWhatIsNotOne) {
  EXPECT_FALSE(decode_log_record(SharedBytes()).ok());
  EXPECT_FALSE(decode_log_record(SharedBytes::copy_of("\x05 rest")).ok());
  for (const DurableRecord& record : kOneOfEach) {
    const std::string octets = encoded(record);
    const bool accepts = std::holds_alternative<AcceptRecord>(record);
    const std::size_t fixed = accepts ? 21 : octets.size();
    for (std::size_t length = 1; length < fixed; ++length) {
      EXPECT_FALSE(decode_log_record(SharedBytes(octets.substr(0, length))).ok()) << length;
    }
    if (!accepts) {
      EXPECT_FALSE(decode_log_record(SharedBytes(octets + "x")).ok());
    }
  }
  std::string half_open = encoded(kOneOfEach[3]);
  half_open.back() = '\x02';
  EXPECT_FALSE(decode_log_record(SharedBytes(half_open)).ok());
}

}  // namespace
}  // namespace paxledger::wire
