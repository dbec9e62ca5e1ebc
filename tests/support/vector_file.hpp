// Test vectors: files of tests/vectors/ that C++ makes and that every other implementation of the
// formats (python/paxledger/audit.py) is held against.
//
// A test builds the document anew and compares it with the file, so that a format cannot change
// unseen. PAXLEDGER_REWRITE_VECTORS=1 in the environment writes the file instead.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace paxledger::test {

using Vectors = nlohmann::ordered_json;

inline void expect_vectors(const std::string& name, const Vectors& made) {
  const std::string path = std::string(PAXLEDGER_TESTS_DIR) + "/vectors/" + name + ".json";
  const std::string text = made.dump(1) + "\n";
  if (std::getenv("PAXLEDGER_REWRITE_VECTORS") != nullptr) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    ASSERT_TRUE(file.flush().good()) << "cannot write " << path;
    return;
  }
  std::ifstream file(path, std::ios::binary);
  ASSERT_TRUE(file.good()) << "cannot read " << path;
  std::ostringstream stored;
  stored << file.rdbuf();
  EXPECT_TRUE(stored.str() == text)
      << path << " is not what this code makes. If the format was meant to change (then so must "
      << "its version), run this test with PAXLEDGER_REWRITE_VECTORS=1. Difference:\n"
      << Vectors::diff(Vectors::parse(stored.str()), made).dump(1);
}

}  // namespace paxledger::test
