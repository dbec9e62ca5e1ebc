#include "ledger/sha256.hpp"

#include <gtest/gtest.h>

#include <string>

namespace paxledger::ledger {
namespace {

using namespace std::string_literals;

TEST(Sha256, GivesTheKnownAnswersOfFips180) {
  EXPECT_EQ(sha256({}).hex(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256({"abc"}).hex(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256({"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"}).hex(),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256({std::string(1'000'000, 'a')}).hex(),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, DoesNotSeeWhereItsPartsAreCut) {
  std::string octets;
  for (int i = 0; i < 3000; ++i) octets.push_back(static_cast<char>(i * 7));
  const std::string_view whole = octets;
  const Digest expected = sha256({whole});
  for (const std::size_t cut : {0u, 1u, 63u, 64u, 511u, 512u, 513u, 1024u, 2999u, 3000u}) {
    EXPECT_EQ(sha256({whole.substr(0, cut), whole.substr(cut)}), expected) << "cut at " << cut;
    EXPECT_EQ(sha256({whole.substr(0, cut), "", whole.substr(cut), ""}), expected);
  }
  EXPECT_EQ(sha256({whole.substr(0, 200), whole.substr(200, 400), whole.substr(600)}), expected);
}

TEST(Sha256, PutsAZeroOctetBetweenDomainAndContent) {
  EXPECT_EQ(tagged_sha256("domain/1", {"con", "tent"}), sha256({"domain/1\0content"s}));
}

TEST(Sha256, KeepsDomainsApart) {
  EXPECT_NE(tagged_sha256("paxledger/block/1", {"x"}), tagged_sha256("paxledger/work/1", {"x"}));
  EXPECT_NE(tagged_sha256("ab", {"c"}), tagged_sha256("a", {"bc"}));
}

}  // namespace
}  // namespace paxledger::ledger
