// Runs every transcript of tests/scenario/*.txt and compares its output.
//
//   PAXLEDGER_REWRITE=1   writes the transcripts anew instead; read the difference before you keep
//   it
#include "scenario/transcript.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace paxledger::sim {
namespace {

std::filesystem::path folder() {
  return std::filesystem::path(PAXLEDGER_TESTS_DIR) / "scenario";
}

std::vector<std::string> transcripts() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder())) {
    if (entry.path().extension() == ".txt") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Transcript : public testing::TestWithParam<std::string> {};

TEST_P(Transcript, ReadsAsWritten) {
  const auto path = folder() / (GetParam() + ".txt");
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  ASSERT_FALSE(text.str().empty());
  const TranscriptCheck check = check_transcript(text.str());
  for (const auto& violation : check.violations) ADD_FAILURE() << violation;
  if (std::getenv("PAXLEDGER_REWRITE") != nullptr) {
    std::ofstream(path) << check.actual;
    return;
  }
  EXPECT_TRUE(check.equal) << path << " reads differently now:\n" << check.difference;
}

INSTANTIATE_TEST_SUITE_P(Scenario, Transcript, testing::ValuesIn(transcripts()),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace_if(
                               name.begin(), name.end(), [](char c) { return c == '-'; }, '_');
                           return name;
                         });

TEST(TranscriptFormat, OpensEveryLessonWithProse) {
  for (const auto& name : transcripts()) {
    std::ifstream in(folder() / (name + ".txt"));
    std::string first;
    std::getline(in, first);
    EXPECT_TRUE(first.starts_with("# ")) << name;
  }
  EXPECT_GE(transcripts().size(), 18u);
}

TEST(TranscriptFormat, HasNoCommandThatMakesNoSense) {
  for (const auto& name : transcripts()) {
    std::ifstream in(folder() / (name + ".txt"));
    for (std::string line; std::getline(in, line);) {
      EXPECT_FALSE(line.starts_with("error: ")) << name << ": " << line;
    }
  }
}

TEST(TranscriptFormat, ShowsALineThatDiffers) {
  EXPECT_EQ(line_difference("a\nb\nc\n", "a\nx\nc\n"), "  a\n- b\n+ x\n  c\n");
  EXPECT_EQ(line_difference("a\n", "a\n"), "");
}

}  // namespace
}  // namespace paxledger::sim
