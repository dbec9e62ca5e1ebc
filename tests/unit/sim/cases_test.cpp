// Plays every case of tests/sim/cases: runs that failed once, and must not any more.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "sim/plan_json.hpp"
#include "sim/run.hpp"

namespace paxledger::sim {
namespace {

std::filesystem::path folder() {
  return std::filesystem::path(PAXLEDGER_TESTS_DIR) / "sim" / "cases";
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

std::vector<std::string> cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Case : public testing::TestWithParam<std::string> {};

TEST_P(Case, Passes) {
  const auto plan = parse_plan(text_of(folder() / GetParam()));
  ASSERT_TRUE(plan.ok()) << GetParam() << " is no plan any more: " << plan.error().message
                         << "; tests/sim/cases/README.md says how to make it anew";
  const RunResult result = run(*plan).result;
  EXPECT_TRUE(result.passed()) << result.failure
                               << "\nreplay: paxledger sim --case tests/sim/cases/" << GetParam();
  EXPECT_GT(result.height, 0u) << "nothing happens in it";
}

INSTANTIATE_TEST_SUITE_P(Stored, Case, testing::ValuesIn(cases()), [](const auto& parameter) {
  std::string name = parameter.param;
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == '-' || c == '.'; }, '_');
  return name;
});

TEST(CaseFolder, SaysOfEveryCaseWhatItIs) {
  const std::string readme = text_of(folder() / "README.md");
  EXPECT_GE(cases().size(), 5u);
  for (const auto& name : cases()) {
    EXPECT_NE(readme.find("| `" + name + "` |"), std::string::npos) << name;
  }
}

}  // namespace
}  // namespace paxledger::sim
