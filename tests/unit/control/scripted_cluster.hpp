// A cluster of three nodes whose daemon is a script, so that starting and stopping can be watched
// without a database.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

#include "control/local_cluster.hpp"

namespace paxledger::control {

class ScriptedClusterTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (std::filesystem::temp_directory_path() / "paxledger.XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
    describe({"tcp://127.0.0.1:6101", "tcp://127.0.0.1:6102", "tcp://127.0.0.1:6103"});
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // Writes cluster.yaml. Nothing listens at these endpoints but what a test puts there.
  void describe(const std::array<std::string, 3>& endpoints) const {
    std::ofstream out(directory_ / "cluster.yaml");
    out << "cluster: test\ndata_dir: data\nnodes:\n";
    for (std::size_t i = 0; i < endpoints.size(); ++i) {
      const std::string id = std::to_string(i + 1);
      out << "  - {id: " << id << ", peer: 'tcp://127.0.0.1:620" << id << "', client: '"
          << endpoints[i] << "', http: '127.0.0.1:630" << id << "'}\n";
    }
  }

  LocalCluster cluster(const std::string& script) const {
    const auto daemon = directory_ / "paxledgerd";
    std::ofstream(daemon) << "#!/bin/sh\n" << script << "\n";
    std::filesystem::permissions(daemon, std::filesystem::perms::owner_all);
    auto configuration = node::read_configuration(directory_ / "cluster.yaml");
    EXPECT_TRUE(configuration.ok()) << configuration.error().message;
    return {std::move(*configuration), daemon};
  }

  std::filesystem::path directory_;
};

}  // namespace paxledger::control
